/**
 * What a working foreman of the built program holds in memory with 10,000 open beads: a store of its own, every tool opened
 * in the jail, two polecats waiting for an answer of their model. Beside it a Node that only waits. Goal: below 150 MB.
 * Linux: it reads /proc. `node bench/memory.ts [beads]`
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as rest } from "node:timers/promises";
import { unbounded } from "../src/domain/budget.ts";
import { openStore } from "../src/edges/store/sqlite.ts";
import { openHouse } from "../src/main/house.ts";
import { placesOf } from "../src/main/places.ts";
import { noProgram } from "../src/work/intake.ts";
import { build } from "./built.ts";
import { print } from "./figure.ts";
import { fill } from "./fill.ts";
import { gitVariables, plant, specimens } from "./specimen.ts";

const beadCount = Number(process.argv[2] ?? 10_000);
/** Long enough for garbage of the start to be collected, if it is going to be. */
const restMs = 3_000;
using built = build();
const home = join(built.folder, "home");
const places = placesOf(home, process.getuid?.() === 0);

/** Opens the house as the command line does, works on every goal, and says when both polecats wait for an answer. */
const foreman = `
const { openHouse } = await import(${JSON.stringify(join(built.folder, "dist/main/house.js"))});
const house = openHouse({ home: ${JSON.stringify(home)}, folder: "/", variables: process.env, version: "bench" });
const hands = await house.hands();
let waiting = 0;
const watch = ({ kind, recorded }) => {
  if (kind === "recorded" && recorded.event.type === "call-reserved" && ++waiting === 2) console.log("waiting");
};
for (const goal of process.argv.slice(1))
  hands.finish(goal, watch, new AbortController().signal).catch((error) => { console.error(error); process.exit(1); });
`;

try {
  const goals = await prepare();
  const bare = start(["-e", "setTimeout(() => {}, 1e9)"]);
  const working = start(["--input-type=module", "-e", foreman, ...goals]);
  try {
    const lines = createInterface({ input: working.stdout as NodeJS.ReadableStream });
    await Promise.race([
      once(lines, "line"),
      once(working, "exit").then(() => Promise.reject(new Error("the foreman ended"))),
    ]);
    await rest(restMs);
    const idle = megabytesOf(bare.pid ?? 0);
    print({
      name: `foreman, ${beadCount.toLocaleString("en")} open beads, resident`,
      ours: megabytesOf(working.pid ?? 0),
      unit: "MB",
      baseline: { name: "node -e setTimeout", value: idle },
      goal: { kind: "at-most", max: 150 },
    });
    const verifiers = childrenOf(working.pid ?? 0).map(megabytesOf);
    print({
      name: `its ${verifiers.length} child processes together (verifiers, git), resident`,
      ours: verifiers.reduce((sum, each) => sum + each, 0),
      unit: "MB",
      baseline: { name: "as many node -e setTimeout", value: idle * Math.max(1, verifiers.length) },
      goal: { kind: "none" },
    });
  } finally {
    for (const child of [bare, working]) {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    }
  }
} finally {
  rmSync(places.workRoot, { recursive: true, force: true });
}

async function prepare(): Promise<readonly string[]> {
  const [specimen] = specimens;
  if (specimen === undefined) throw new Error("there is a specimen");
  const folder = join(built.folder, "repository");
  mkdirSync(folder);
  plant(specimen, folder, "memory");
  const script = join(built.folder, "script.json");
  writeFileSync(script, JSON.stringify({ answers: [{ text: "never", delayMs: 600_000 }] }));
  const house = openHouse({ home, folder, variables: gitVariables, version: "bench" });
  await house.addProvider("slow", { kind: "scripted", script });
  const intake = await house.takeIn({
    ...{
      text: specimen.goal,
      folder,
      checks: [specimen.check],
      checksByExit: [],
      guardsOnly: false,
      program: noProgram,
      protect: [],
      allowChange: [],
    },
    ...{
      allowDependencies: false,
      setup: undefined,
      providers: ["slow"],
      budget: unbounded,
      strategy: "balanced",
      plan: undefined,
      mode: "solo",
      workersMax: 1,
    },
    ...{ includeDirty: false, unsafeNoSandbox: false, keepRevisions: false, priority: 2 as const },
  });
  if (intake.kind === "refused") throw new Error(intake.why);
  const store = await openStore(home, { now: () => Date.now() });
  const goals = await fill(store, beadCount, intake.order);
  await store.close();
  return goals;
}

function start(words: readonly string[]): ChildProcess {
  const env = { ...gitVariables, HOME: home };
  return spawn(process.execPath, words, { env, stdio: ["ignore", "pipe", "inherit"] });
}

function megabytesOf(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes) / 1024;
}

function childrenOf(pid: number): readonly number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number),
  );
}
