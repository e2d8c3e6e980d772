/**
 * From a goal to its proof with a model that answers at once, beside the same done by hand: plain git and plain bubblewrap,
 * one step after the other (checkout, run, run on a control, commit, clean checkout, run). Both take turns in one process on
 * fresh small repositories; foreman, jail and verifier are open, as in the second goal of a daemon. The program is the built one.
 * Goal: at most 1.5 times.
 *
 * By hand there are three runs of the check. Rigs makes four: on base, then head, control and witness side by side. `node bench/goal.ts [rounds]`
 */
import { spawn } from "node:child_process";
import { lstatSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as rest } from "node:timers/promises";
import { unbounded } from "../src/domain/budget.ts";
import type { Hands, House } from "../src/faces/house.ts";
import { placesOf } from "../src/main/places.ts";
import { noProgram } from "../src/work/intake.ts";
import { build } from "./built.ts";
import { median, print, timed } from "./figure.ts";
import { gitVariables, plant, type Specimen, scriptOf, specimens } from "./specimen.ts";

/** Long enough for what one contestant leaves running (the next verifier starts) not to slow the other. */
const restMs = 400;
const rounds = Number(process.argv[2] ?? 5);
const isTraced = process.argv.includes("--trace");
const root = mkdtempSync(join(tmpdir(), "rigs-bench-goal-"));
const home = join(root, "home");
const places = placesOf(home, process.getuid?.() === 0);
const variables = { ...gitVariables, HOME: root };
using built = build();
const { openHouse } = (await import(
  join(built.folder, "dist/main/house.js")
)) as typeof import("../src/main/house.ts");
const house = openHouse({ home, folder: root, variables, version: "bench" });
let folders = 0;

try {
  for (const specimen of specimens) {
    const script = join(root, `${specimen.name}.json`);
    writeFileSync(script, scriptOf(specimen));
    await house.addProvider(providerOf(specimen), { kind: "scripted", script });
  }
  const hands = await house.hands();
  try {
    for (const specimen of specimens) await bench(specimen, house, hands);
  } finally {
    await hands.close();
  }
  for (const specimen of specimens) await benchCold(specimen);
} finally {
  rmSync(root, { recursive: true, force: true });
  rmSync(places.workRoot, { recursive: true, force: true });
}

async function bench(specimen: Specimen, house: House, hands: Hands): Promise<void> {
  const byHands: number[] = [];
  const goals: Span[] = [];
  await byHand(specimen, fresh(specimen));
  await toProven(specimen, fresh(specimen), house, hands);
  for (let round = 0; round < rounds; round++) {
    const [left, right] = [fresh(specimen), fresh(specimen)];
    await rest(restMs);
    byHands.push(await timed(() => byHand(specimen, left)));
    goals.push(await toProven(specimen, right, house, hands));
  }
  print({
    name: `goal to proven, warm, ${specimen.name}`,
    ours: median(goals.map((span) => span.provenMs)),
    unit: "ms",
    baseline: { name: "the bare sequence by hand", value: median(byHands) },
    goal: { kind: "ratio", max: 1.5 },
  });
  print({
    name: `goal to delivered branch and evidence, warm, ${specimen.name}`,
    ours: median(goals.map((span) => span.deliveredMs)),
    unit: "ms",
    baseline: { name: "the bare sequence by hand", value: median(byHands) },
    goal: { kind: "none" },
  });
}

/** The whole command line, nothing open before: its own process starts, tries the jail, starts verifiers. */
async function benchCold(specimen: Specimen): Promise<void> {
  const spans: number[] = [];
  for (let round = 0; round < Math.min(3, rounds); round++) {
    const folder = fresh(specimen);
    const words = ["goal", "execute", specimen.goal, "--check", specimen.check];
    const more = ["--provider", providerOf(specimen), "--home", home];
    await rest(restMs);
    spans.push(await timed(() => run(process.execPath, [built.entry, ...words, ...more], folder, variables)));
  }
  print({
    name: `goal to delivered, cold command line, ${specimen.name}`,
    ours: median(spans),
    unit: "ms",
    baseline: undefined,
    goal: { kind: "none" },
  });
}

function providerOf({ name }: Specimen): string {
  return name.replaceAll(/[^a-z]+/g, "-");
}

function fresh(specimen: Specimen): string {
  const folder = join(root, `repository-${++folders}`);
  mkdirSync(folder);
  plant(specimen, folder, `${specimen.name} ${folders}`);
  return folder;
}

interface Span {
  readonly provenMs: number;
  readonly deliveredMs: number;
}

async function toProven(specimen: Specimen, folder: string, house: House, hands: Hands): Promise<Span> {
  const from = performance.now();
  let provenMs: number | undefined;
  const intake = await house.takeIn({
    text: specimen.goal,
    folder,
    checks: [specimen.check],
    checksByExit: [],
    guardsOnly: false,
    program: noProgram,
    protect: [],
    allowChange: [],
    allowDependencies: false,
    setup: undefined,
    providers: [providerOf(specimen)],
    budget: unbounded,
    strategy: "balanced",
    plan: undefined,
    mode: "solo",
    workersMax: 1,
    includeDirty: false,
    unsafeNoSandbox: false,
    keepRevisions: false,
    priority: 2,
  });
  if (intake.kind === "refused") throw new Error(intake.why);
  if (isTraced) console.error(`${(performance.now() - from).toFixed(0)} ms taken in`);
  const goal = await hands.create(intake.order);
  const end = await hands.finish(
    goal,
    (sight) => {
      if (sight.kind === "recorded" && sight.recorded.event.type === "proof-ended")
        provenMs = performance.now() - from;
      if (isTraced && sight.kind === "recorded")
        console.error(`${(performance.now() - from).toFixed(0)} ms ${sight.recorded.event.type}`);
    },
    new AbortController().signal,
  );
  if (end.outcome !== "delivered" || provenMs === undefined) throw new Error(`${end.outcome}: ${end.reason}`);
  return { provenMs, deliveredMs: performance.now() - from };
}

/** What somebody careful would do without Rigs. */
async function byHand(specimen: Specimen, repository: string): Promise<void> {
  const git = (cwd: string, ...words: readonly string[]) => run("git", words, cwd, gitVariables);
  const first = `${repository}-first`;
  await git(repository, "worktree", "add", "--quiet", "--detach", first, "HEAD");
  writeFileSync(join(first, specimen.path), specimen.solution);
  await jailed(specimen.check, first, 0);
  writeFileSync(join(first, specimen.path), specimen.withoutBody);
  await jailed(specimen.check, first, 1);
  writeFileSync(join(first, specimen.path), specimen.solution);
  await git(first, "commit", "--quiet", "--message", specimen.goal, specimen.path);
  const commit = await git(first, "rev-parse", "HEAD");
  const clean = `${repository}-clean`;
  await git(repository, "worktree", "add", "--quiet", "--detach", clean, commit);
  await jailed(specimen.check, clean, 0);
}

/** Bubblewrap told as little as still isolates: no limits, no filter, no other user. */
async function jailed(command: string, folder: string, expected: number): Promise<void> {
  const system = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"].flatMap((path) => {
    const about = lstatSync(path, { throwIfNoEntry: false });
    if (about?.isSymbolicLink()) return ["--symlink", readlinkSync(path), path];
    return about?.isDirectory() ? ["--ro-bind", path, path] : [];
  });
  const view = [
    "--ro-bind",
    "/usr",
    "/usr",
    ...system,
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    "--tmpfs",
    "/tmp",
  ];
  const place = ["--bind", folder, "/rig", "--chdir", "/rig"];
  const words = ["--unshare-all", "--die-with-parent", ...view, ...place, "--", "/bin/sh", "-c", command];
  await run("/usr/bin/bwrap", words, "/", { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: "/tmp" }, expected);
}

function run(
  program: string,
  words: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
  expected = 0,
): Promise<string> {
  return new Promise((done, fail) => {
    const child = spawn(program, words, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    let complaint = "";
    child.stdout.on("data", (text) => (said += text));
    child.stderr.on("data", (text) => (complaint += text));
    child.on("error", fail);
    child.on("close", (code) => {
      if (code === expected) done(said.trim());
      else fail(new Error(`${program} ${words.slice(0, 3).join(" ")}: exit ${code}: ${complaint || said}`));
    });
  });
}
