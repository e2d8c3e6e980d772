/**
 * The merge queue with everything in it that can go wrong by itself: tests that a model writes first, two parts that
 * contradict each other in one file, one whose merge is red. Its processes are killed with SIGKILL one time after another,
 * each life at the next moment of the queue; whatever is killed, the goal is delivered, whole, once.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test, vi } from "vitest";
import type { EventType, Recorded } from "../../src/domain/event.ts";
import { openReader } from "../../src/edges/store/sqlite.ts";
import { type Sample, userEnvironment } from "../../src/ports/repository.case.ts";
import {
  file,
  type Ground,
  openGround,
  processes,
  processesAbout,
  type Running,
  type ScriptedLine,
  seen,
  verifiersOf,
} from "../support/rigs.ts";

vi.setConfig({ testTimeout: 300_000 });

const wrapper = fileURLToPath(new URL("../support/mortal-rigs.ts", import.meta.url));
const head = 'import { equal } from "node:assert";\nimport { test } from "node:test";\n';
const table = (...names: readonly string[]) =>
  file("src/table.js", `export const names = [\n  ${names.map((name) => `"${name}"`).join(", ")},\n];\n`);
const part = (name: string, says: string) =>
  file(`src/${name}.js`, `export const ${name} = () => "${says}";\n`);
const listed = (name: string) => `test("${name} is listed", () => equal(names.includes("${name}"), true));\n`;
/** What each bears alone, and both do not together. */
const notBoth = `test("b and c are not both loud", async () => {
  const loud = await Promise.all(["b", "c"].map((name) => import(\`../src/\${name}.js\`).catch(() => ({}))));
  equal(loud.every((each) => each.loud === true), false);
});
`;
const testOf = (name: string, more: string) =>
  `${head}import { ${name} } from "../src/${name}.js";\nimport { names } from "../src/table.js";\ntest("${name}", () => equal(${name}(), "${name}"));\n${more}`;
const files = {
  "package.json": '{ "name": "parts", "type": "module", "private": true }\n',
  "src/table.js": "export const names = [\n];\n",
  "test/a.test.js": testOf("a", listed("a")),
  "test/b.test.js": testOf("b", listed("b") + notBoth),
  "test/c.test.js": testOf("c", `equal(names.length < 9, true);\n${notBoth}`),
};
const parts = ["a", "b", "c"];
const suite = file(
  "test/whole.test.js",
  `${head}${parts.map((name) => `import { ${name} } from "../src/${name}.js";\n`).join("")}import { names } from "../src/table.js";
test("all of them", () => equal([a(), b(), c()].join(" "), "a b c"));
test("the table", () => equal([...names].sort().join(" "), "a b"));
`,
);
const bead = (name: string, shares: string) =>
  `  - name: ${name}\n    intent: "Write part ${name}."\n    owns: [src/${name}.js]\n    shares: [${shares}]\n    checks: ["node --test test/${name}.test.js"]\n`;
const plan = `goal: parts\nbeads:\n${bead("a", "src/table.js")}${bead("b", "src/table.js")}${bead("c", "")}`;

/** Often enough for whatever a kill begins anew. */
const told = (when: readonly string[], text: string, delayMs = 0): readonly ScriptedLine[] =>
  Array.from({ length: 12 }, () => ({ when: when as unknown as string, role: "coder", text, delayMs }));
const loud = (name: string) => part(name, name).replace(/```\n$/, "export const loud = true;\n```\n");
const drafted = (name: string, text: string, delayMs = 0) =>
  told([`Goal:\nWrite part ${name}.`], text, delayMs);
/** What a merge with markers, and one of two loud ones, is answered with. */
const unmarked = (check: string, text: string) => told([`parse: ${check}`], text);
const hushed = (name: string) =>
  told([`First failing test: test/${name}.test.js`, "not both loud"], part(name, name));
const answers: readonly ScriptedLine[] = [
  { role: "test-writer", text: suite },
  ...unmarked("1.1-1", table("a", "b")),
  ...unmarked("1.2-1", table("a", "b")),
  ...hushed("b"),
  ...hushed("c"),
  ...drafted("a", part("a", "a") + table("a")),
  ...drafted("b", loud("b") + table("b")),
  // So late that both others have landed, but for what kills change.
  ...drafted("c", loud("c"), 2_000),
];

const grounds: Ground[] = [];
afterAll(() => {
  for (const ground of grounds) ground[Symbol.dispose]();
});

interface Scene {
  readonly ground: Ground;
  readonly user: Sample;
  readonly planFile: string;
}

function scene(): Scene {
  const ground = openGround();
  grounds.push(ground);
  ground.script(...answers);
  const planFile = join(ground.folder, "plan.yaml");
  writeFileSync(planFile, plan);
  return { ground, user: ground.repository("user", files), planFile };
}

/** One life of the process: begins the goal or goes on with it, until it ends or one of the moments has come. */
async function live(
  { ground, user, planFile }: Scene,
  moments: readonly string[],
  goal?: string,
): Promise<boolean> {
  const last = moments.length === 0 ? "never:1" : moments.join(",");
  const words = ["--no-warnings", wrapper, ground.home, user.top, last, "parts", "", planFile];
  const child = spawn(process.execPath, [...words, ...(goal === undefined ? [] : [goal])], {
    ...{ cwd: user.top, env: { ...userEnvironment, PATH: process.env.PATH ?? "" } },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let complaint = "";
  child.stderr.on("data", (bytes: Buffer) => {
    complaint += bytes.toString();
  });
  const [, signal] = (await once(child, "close")) as [number | null, string | null];
  expect(complaint).toBe("");
  const left = () => processesAbout(ground.folder, ground.workRoot);
  await seen(() => (left().length === 0 ? true : undefined), "the end of every jail");
  return signal === "SIGKILL";
}

async function eventsOf({ ground }: Scene): Promise<readonly Recorded[]> {
  const reader = await openReader(ground.home);
  const events = await reader.log.read(1, 1_000);
  expect(await reader.audit()).toEqual([]);
  await reader.close();
  return events;
}

function count(events: readonly Recorded[], type: string): number {
  return events.filter(({ event }) => event.type === type).length;
}

/** For whoever reads why it is red. */
function storyOf(events: readonly Recorded[]): string {
  return events.map(({ event }) => JSON.stringify(event).slice(0, 900)).join("\n");
}

function isReached(events: readonly Recorded[], moment: string): boolean {
  const [type = "", number] = moment.split(":");
  return count(events, type) >= Number(number);
}

/** Dies at each of these moments that comes, in the order they come; gives those that came. `between` happens after each death. */
async function dieAt(
  mortal: Scene,
  moments: readonly string[],
  between: () => void = () => undefined,
): Promise<readonly string[]> {
  const died: string[] = [];
  let pending = moments;
  let goal: string | undefined;
  // Every life reaches one moment at least, or is the last.
  for (let life = 0; life <= moments.length; life++) {
    const isKilled = await live(mortal, pending, goal);
    const events = await eventsOf(mortal);
    goal = events[0]?.event.goal;
    if (!isKilled) break;
    died.push(...pending.filter((moment) => isReached(events, moment)));
    pending = pending.filter((moment) => !isReached(events, moment));
    if (count(events, "goal-ended") > 0) break;
    between();
  }
  return died;
}

/** Delivered, whole, once; nothing lost, nothing left over, everything counted. */
async function checkEnd(mortal: Scene): Promise<readonly Recorded[]> {
  const { ground, user } = mortal;
  const events = await eventsOf(mortal);
  const reader = await openReader(ground.home);
  const [goal] = await reader.view.goals({ countMax: 10 });
  await reader.close();
  expect(goal?.end, storyOf(events)).toMatchObject({
    outcome: "delivered",
    proof: { verdict: "proven", acceptance: "model" },
  });
  const branch = `rigs/${goal?.id}`;
  const root = `${goal?.id}.1`;
  const trailers = user.git(
    "log",
    "--format=%(trailers:key=Rigs-Bead,valueonly,separator=%x2C)",
    `main..${branch}`,
  );
  const beads = trailers.split("\n").filter((line) => line !== "");
  expect(beads.sort(), "the tests and three parts, each once").toEqual([
    root,
    `${root}.1`,
    `${root}.2`,
    `${root}.3`,
  ]);
  if (count(events, "head-lost") === 0) {
    const landed = events.flatMap(({ event }) => (event.type === "bead-integrated" ? [event.bead] : []));
    expect([...landed].sort()).toEqual([root, `${root}.1`, `${root}.2`, `${root}.3`]);
  }
  expect(count(events, "tests-written")).toBe(1);
  for (const [path, text] of Object.entries(files).filter(([path]) => path.startsWith("test/")))
    expect(user.git("show", `${branch}:${path}`), path).toBe(text.trim());
  expect(`test/whole.test.js\n\`\`\`\n${user.git("show", `${branch}:test/whole.test.js`)}\n\`\`\`\n`).toBe(
    suite,
  );
  expect(user.git("show", `${branch}:src/table.js`)).not.toMatch(/^[<>=]{7}/m);
  for (const name of parts) expect(user.git("show", `${branch}:src/${name}.js`)).toContain(`"${name}"`);
  expect(user.git("status", "--porcelain")).toBe("");
  expect(readdirSync(ground.workRoot).filter((name) => /^(proof|gate)-/.test(name))).toEqual([]);
  expect(readdirSync(join(ground.home, "repositories")).filter((name) => /\.new$/.test(name))).toEqual([]);
  const tokens = events.flatMap(({ event }) => (event.type === "call-settled" ? [event.usage] : []));
  expect(goal?.spend).toMatchObject({
    requests: count(events, "call-reserved"),
    inputTokens: tokens.reduce((sum, { input }) => sum + input, 0),
    outputTokens: tokens.reduce((sum, { output }) => sum + output, 0),
    reservedTokens: 0,
  });
  expect(count(events, "call-settled")).toBe(count(events, "call-reserved"));
  return events;
}

/** What the queue goes through, and what brings beads to it. */
const kinds = [
  ...([
    "base-surveyed",
    "tests-written",
    "bead-split",
    "bead-created",
    "bead-claimed",
    "call-reserved",
  ] as const),
  ...(["call-settled", "revision-recorded", "conflict-seen", "proof-started", "proof-ended"] as const),
  ...(["bead-integrating", "bead-returned", "bead-integrated", "bead-ready", "goal-ended"] as const),
] satisfies readonly EventType[];

test("the undisturbed run has everything that is meant", async () => {
  const calm = scene();
  expect(await dieAt(calm, [])).toEqual([]);
  const events = await checkEnd(calm);
  for (const kind of kinds) expect(count(events, kind), kind).toBeGreaterThan(0);
  expect(count(events, "bead-returned")).toBe(2);
});

describe.concurrent("killed again and again, each life at the next moment", () => {
  test.each([1, 2, 3, 4])("at every kind of event, the %i. of its kind", async (number) => {
    const mortal = scene();
    const died = await dieAt(
      mortal,
      kinds.map((kind) => `${kind}:${number}`),
    );
    const events = await checkEnd(mortal);
    for (const kind of ["bead-integrating", "bead-integrated", "proof-ended"])
      expect(died, "the queue was met").toContain(`${kind}:${number}`);
    expect(count(events, "bead-returned")).toBeGreaterThan(0);
  });
});

describe.concurrent("killed, and Rigs' clones deleted: it begins anew or goes on, and is delivered whole", () => {
  test.each([
    [
      "with the tests, the tree, and each state of the queue",
      ["tests-written:1", "bead-split:1", "bead-integrating:1", "bead-integrated:2", "bead-returned:1"],
    ],
    ["with everything integrated and nothing delivered", ["bead-integrated:4"]],
  ])("%s", async (_, moments) => {
    const mortal = scene();
    const clones = join(mortal.ground.home, "repositories");
    const died = await dieAt(mortal, moments, () => rmSync(clones, { recursive: true }));
    expect([...died].sort()).toEqual([...moments].sort());
    const events = await checkEnd(mortal);
    expect(count(events, "tests-rewritten")).toBeGreaterThan(0);
    expect(count(events, "head-lost")).toBeGreaterThan(0);
  });
});

describe("killed while the queue itself proves what it has moved", () => {
  const slow = (name: string) =>
    file(
      `src/${name}.js`,
      `await new Promise((go) => setTimeout(go, 1_500));\nexport const ${name} = () => "${name}";\n`,
    );
  const two = ["a", "b"];
  const slowFiles = {
    "package.json": files["package.json"],
    ...Object.fromEntries(
      two.map((name) => [
        `test/${name}.test.js`,
        `${head}import { ${name} } from "../src/${name}.js";\ntest("${name}", () => equal(${name}(), "${name}"));\n`,
      ]),
    ),
  };
  const planned = `goal: parts\nbeads:\n${two.map((name) => bead(name, "").replace("    shares: []\n", "")).join("")}`;

  /** Both parts are proven, one has landed, and the other is being proven where it lands: nobody else is at work. */
  async function moving(): Promise<{ readonly mortal: Scene; readonly running: Running }> {
    const mortal = scene();
    const { ground, user, planFile } = mortal;
    ground.script(...two.flatMap((name) => drafted(name, slow(name))));
    for (const path of Object.keys(files)) rmSync(join(user.top, path));
    for (const [path, text] of Object.entries(slowFiles)) user.write(path, text);
    user.commit("slow ones");
    writeFileSync(planFile, planned);
    const checks = two.map((name) => `test/${name}.test.js`).join(" ");
    const words = ["goal", "execute", "parts", "--plan", planFile, "--workers", "2", "--json"];
    const running = ground.start(user.top, [...words, "--check", `node --test ${checks}`]);
    await running.said("bead-integrated");
    await until(mortal, (events) => count(events, "bead-integrating") === 2);
    return { mortal, running };
  }

  async function until(mortal: Scene, isSo: (events: readonly Recorded[]) => boolean): Promise<void> {
    while (!isSo(await eventsOf(mortal))) await new Promise((resolve) => setTimeout(resolve, 50));
  }

  /** So many of them, each as soon as it is there; fewer where the goal ends before. */
  async function strike(times: number, running: Running, find: () => readonly number[]): Promise<number> {
    const met = new Set<number>();
    let isOver = false;
    void running.ended.finally(() => {
      isOver = true;
    });
    for (let time = 0; time < times; time++) {
      const next = await seen(() => (isOver ? [] : found()), "one more of them, or the end");
      if (next.length === 0) return time;
      for (const id of next) {
        met.add(id);
        kill(id);
      }
    }
    return times;

    function found(): readonly number[] | undefined {
      const fresh = find().filter((id) => !met.has(id));
      return fresh.length === 0 ? undefined : fresh;
    }
  }

  function kill(id: number): void {
    try {
      process.kill(id, "SIGKILL");
    } catch (error) {
      // It died with another one that was killed.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }

  /** Outermost processes of jails: the parents of those that see their folder mounted. */
  const jailsOf = ({ ground }: Scene) => [
    ...new Set(
      processesAbout(ground.workRoot)
        .filter(({ words }) => words.startsWith("rigs-jail-"))
        .map(({ parent }) => parent)
        .filter((id) => id > 1),
    ),
  ];

  /** Verifiers that run something now: one that waits for work is nobody's loss. */
  const verifiersAtWork = (mortal: Scene, running: Running) => {
    const parents = new Map(processes().map(({ id, parent }) => [id, parent]));
    const above = new Set<number>();
    for (const jail of jailsOf(mortal))
      for (let at = parents.get(jail); at !== undefined && at > 1; at = parents.get(at)) above.add(at);
    const all = verifiersOf(running.process.pid ?? 0).map(({ id }) => id);
    return all.filter((id) => above.has(id));
  };

  async function checkDelivered({ ground, user }: Scene, goal: string): Promise<void> {
    const branch = `rigs/${goal}`;
    const trailers = user.git(
      "log",
      "--format=%(trailers:key=Rigs-Bead,valueonly,separator=%x2C)",
      `main..${branch}`,
    );
    const beads = trailers.split("\n").filter((line) => line !== "");
    expect(beads.sort()).toEqual([`${goal}.1.1`, `${goal}.1.2`]);
    await seen(
      () => (processesAbout(ground.folder, ground.workRoot).length === 0 ? true : undefined),
      "the end of every jail",
    );
  }

  test("the verifier: another one proves it, and the log says so", async () => {
    const { mortal, running } = await moving();
    await strike(1, running, () => verifiersAtWork(mortal, running));
    const ended = await running.ended;
    expect(ended.code, ended.err).toBe(0);
    expect(count(await eventsOf(mortal), "verifier-lost")).toBe(1);
    expect(count(await eventsOf(mortal), "bead-returned")).toBe(0);
    await checkDelivered(mortal, String(ended.lines.at(-1)?.goal));
  });

  test("the verifier three times: the goal is interrupted, what waits in the queue stays there, resume lands it", async () => {
    const { mortal, running } = await moving();
    await strike(12, running, () => verifiersAtWork(mortal, running));
    const ended = await running.ended;
    expect(ended.code, ended.err).toBe(130);
    const goal = String(ended.lines.at(-1)?.goal);
    const asked = count(await eventsOf(mortal), "call-reserved");
    const resumed = await mortal.ground.rigs(mortal.user.top, "goal", "resume", goal, "--json");
    expect(resumed.code, resumed.err).toBe(0);
    expect(count(await eventsOf(mortal), "call-reserved"), "nobody is asked again").toBe(asked);
    await checkDelivered(mortal, goal);
  });

  test.each([1, 4])("%i jails: whatever the queue made of it, both land", async (times) => {
    const { mortal, running } = await moving();
    expect(await strike(times, running, () => jailsOf(mortal).slice(0, 1))).toBeGreaterThan(0);
    const ended = await running.ended;
    const goal = String(ended.lines.at(-1)?.goal);
    if (ended.code !== 0) {
      expect(ended.lines.at(-1)?.reason).toMatch(/killed from outside.*resume/);
      const resumed = await mortal.ground.rigs(mortal.user.top, "goal", "resume", goal, "--json");
      expect(resumed.code, resumed.err).toBe(0);
    }
    await checkDelivered(mortal, goal);
  });
});
