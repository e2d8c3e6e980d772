/**
 * A real goal with real processes, killed with SIGKILL after each of its events has become durable: one revision that is
 * red, one that is worse and taken back, one that is green, a proof, a delivery. Whatever the moment, `rigs goal resume`
 * ends where the undisturbed run ended.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import type { EventType, Recorded } from "../../src/domain/event.ts";
import { openReader } from "../../src/edges/store/sqlite.ts";
import { type Sample, userEnvironment } from "../../src/ports/repository.case.ts";
import { node } from "../support/projects.ts";
import { type Ground, openGround, processesAbout, type Running, seen, verifiersOf } from "../support/rigs.ts";

const wrapper = fileURLToPath(new URL("../support/mortal-rigs.ts", import.meta.url));
const grounds: Ground[] = [];
afterAll(() => {
  for (const ground of grounds) ground[Symbol.dispose]();
});

interface Scene {
  readonly ground: Ground;
  readonly user: Sample;
}

function scene(...answers: readonly string[]): Scene {
  const ground = openGround();
  grounds.push(ground);
  ground.script(...answers.map((text) => ({ text })));
  return { ground, user: ground.repository("user", node.files) };
}

/** Runs the goal until the log has `last` events; resolves with how the process ended. */
async function runUntil({ ground, user }: Scene, last: number): Promise<number | string> {
  const words = ["--no-warnings", wrapper, ground.home, user.top, String(last), node.goal, node.check];
  const child = spawn(process.execPath, words, {
    cwd: user.top,
    env: { ...userEnvironment, PATH: process.env.PATH ?? "" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let complaint = "";
  child.stderr.on("data", (bytes: Buffer) => {
    complaint += bytes.toString();
  });
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  expect(complaint).toBe("");
  return signal ?? code ?? -1;
}

interface Final {
  readonly events: readonly Recorded[];
  readonly tree: string;
  readonly requests: number;
}

/** What must hold in the end, whatever happened. */
async function finalState({ ground, user }: Scene): Promise<Final> {
  const reader = await openReader(ground.home);
  const [goal] = await reader.view.goals({ countMax: 10 });
  const events = await reader.log.read(1, 1000);
  const faults = await reader.audit();
  await reader.close();
  expect(faults).toEqual([]);
  expect(goal?.end).toMatchObject({ outcome: "delivered", proof: { verdict: "proven" } });
  const branch = `rigs/${goal?.id}`;
  expect(user.git("branch", "--list", "rigs/*", "--format=%(refname:short)")).toBe(branch);
  expect(user.git("rev-parse", branch)).toBe(goal?.end?.commit);
  expect(user.git("rev-list", "--count", `main..${branch}`)).toBe("1");
  expect(user.git("status", "--porcelain")).toBe("");
  for (const type of ["bead-created", "bead-integrated", "goal-ended"] as const)
    expect(count(events, type), type).toBe(1);
  expect(processesAbout(ground.folder, ground.workRoot)).toEqual([]);
  expect(readdirSync(ground.workRoot).filter((name) => /^(proof|gate)-/.test(name))).toEqual([]);
  return {
    events,
    tree: user.git("rev-parse", `${branch}^{tree}`),
    requests: goal?.spend.requests ?? 0,
  };
}

function count(events: readonly Recorded[], type: EventType): number {
  return events.filter(({ event }) => event.type === type).length;
}

/** Processes die by themselves when the foreman is gone, but not in the same instant. */
async function everyoneIsGone({ ground }: Scene): Promise<void> {
  const left = () => [...processesAbout(ground.folder, ground.workRoot), ...verifiersOf(1)];
  await seen(() => (left().length === 0 ? true : undefined), "the end of every jail and verifier");
}

const story = [node.wrong, node.worse, node.right];
const calm = scene(...story);
const code = await runUntil(calm, Number.MAX_SAFE_INTEGER);
const undisturbed = await finalState(calm);
const last = undisturbed.events.length;

test("the undisturbed run is the story that is meant", () => {
  expect(code).toBe(0);
  expect(undisturbed.requests).toBe(3);
  expect(count(undisturbed.events, "revision-recorded")).toBe(3);
  expect(count(undisturbed.events, "revision-reverted")).toBe(1);
  expect(count(undisturbed.events, "proof-ended")).toBe(1);
});

describe.concurrent("killed after an event, resumed, the end is the same", () => {
  const kinds = undisturbed.events.map(({ sequence, event }) => [sequence, event.type] as const);
  test.each(kinds)("event %i: %s", async (sequence) => {
    const mortal = scene(...story);
    expect(await runUntil(mortal, sequence)).toBe("SIGKILL");
    await everyoneIsGone(mortal);
    const reader = await openReader(mortal.ground.home);
    const before = await reader.log.read(1, 1000);
    await reader.close();
    expect(before.length).toBeGreaterThanOrEqual(sequence);
    const goal = before[0]?.event.goal ?? "";
    const resumed = await mortal.ground.rigs(mortal.user.top, "goal", "resume", goal, "--json");
    expect(resumed.code, resumed.err).toBe(before.length < last ? 0 : 2);
    const final = await finalState(mortal);
    expect(final.events.slice(0, before.length)).toEqual(before);
    expect(final.tree).toBe(undisturbed.tree);
    expect(count(final.events, "revision-recorded")).toBe(3);
    const lost = final.events.filter(
      ({ event }) => event.type === "call-settled" && event.settled.kind === "lost",
    ).length;
    expect(lost).toBe(before.at(-1)?.event.type === "call-reserved" ? 1 : 0);
    expect(final.requests).toBe(undisturbed.requests + lost);
  });
});

/** Answers right, and takes its time whenever it is loaded. */
const slow = node.right.replace("```\n", "```\nawait new Promise((go) => setTimeout(go, 4_000));\n");

describe("a part is killed while the checks of a revision run", () => {
  const start = ({ ground, user }: Scene) =>
    ground.start(user.top, ["goal", "execute", node.goal, "--json", "--check", node.check]);

  /** Kills in another jail's time each: what dies of the same kill is not met again. */
  const strike = async (mortal: Scene, times: number, kill: (jail: number) => void) => {
    const met = new Set<number>();
    for (let time = 0; time < times; time++) {
      const jail = await seen(() => jailOf(mortal, met), "another jail at work");
      met.add(jail);
      kill(jail);
    }
  };
  /** The same for every jail there is until the goal ends: head, control and witness run side by side, each in its own. */
  const strikeAll = async (mortal: Scene, running: Running, kill: (jail: number) => void) => {
    const met = new Set<number>();
    let isOver = false;
    void running.ended.finally(() => {
      isOver = true;
    });
    for (;;) {
      const next = await seen(() => (isOver ? "over" : jailOf(mortal, met)), "another jail, or the end");
      if (next === "over") return;
      met.add(next);
      try {
        kill(next);
      } catch (error) {
        // It died with another one that was killed.
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    }
  };
  const killJail = (jail: number) => process.kill(jail, "SIGKILL");
  const killVerifiers = (running: Running) => () => {
    for (const { id } of verifiersOf(running.process.pid ?? 0)) process.kill(id, "SIGKILL");
  };

  test("the jail: its run is made again, and nobody notices", async () => {
    const mortal = scene(slow);
    const running = start(mortal);
    await running.said("call-settled");
    await strike(mortal, 1, killJail);
    const ended = await running.ended;
    expect(ended.code, ended.err).toBe(0);
    expect(ended.lines.filter((line) => line.type === "revision-recorded")).toHaveLength(1);
    expect((await finalState(mortal)).requests).toBe(1);
  });

  test("the jail twice: the check could not run, and the goal says why and how to go on", async () => {
    const mortal = scene(slow, slow);
    const running = start(mortal);
    await running.said("call-settled");
    await strikeAll(mortal, running, killJail);
    const ended = await running.ended;
    expect(ended.code, ended.err).toBe(2);
    const reason =
      /could not run: acceptance-1: the jail was killed from outside \(SIGKILL\), twice in a row: .*resume/;
    expect(ended.lines.at(-1)?.reason).toMatch(reason);
    const goal = String(ended.lines[0]?.goal);
    const resumed = await mortal.ground.rigs(mortal.user.top, "goal", "resume", goal, "--json");
    expect(resumed.code, resumed.err).toBe(0);
    expect(resumed.lines.at(-1)).toMatchObject({ outcome: "delivered" });
  });

  test("the verifier: another one does its run, and the log says so", async () => {
    const mortal = scene(slow);
    const running = start(mortal);
    await running.said("call-settled");
    await strike(mortal, 1, killVerifiers(running));
    const ended = await running.ended;
    expect(ended.code, ended.err).toBe(0);
    const final = await finalState(mortal);
    expect(count(final.events, "verifier-lost")).toBe(1);
    expect(final.requests).toBe(1);
  });

  test("the verifier three times: the goal is interrupted, and resume goes on without asking again", async () => {
    const mortal = scene(slow);
    const running = start(mortal);
    await running.said("call-settled");
    await strikeAll(mortal, running, killVerifiers(running));
    const ended = await running.ended;
    expect(ended.code, ended.err).toBe(130);
    expect(ended.err).not.toMatch(/fault of Rigs/);
    const goal = String(ended.lines[0]?.goal);
    expect(ended.lines.at(-1)).toMatchObject({
      outcome: "cancelled",
      reason: expect.stringMatching(
        /the verifier process was killed \(SIGKILL\), 3 times .* rigs goal resume/,
      ),
    });
    await everyoneIsGone(mortal);
    const resumed = await mortal.ground.rigs(mortal.user.top, "goal", "resume", goal, "--json");
    expect(resumed.code, resumed.err).toBe(0);
    expect(resumed.lines.at(-1)).toMatchObject({ outcome: "delivered", spend: { requests: 1 } });
  });
});

/** The jail that runs the goal's tests now, none of those `met` before; its outermost process. */
function jailOf({ ground }: Scene, met: ReadonlySet<number>): number | undefined {
  const inside = processesAbout(ground.workRoot);
  if (!inside.some(({ words }) => words.includes("/rig/test/count.test.js"))) return undefined;
  // Process 1 of the jail sees its folder mounted; its parent, bubblewrap itself, does not.
  const jails = inside.filter(({ words }) => words.startsWith("rigs-jail-")).map(({ parent }) => parent);
  return jails.find((id) => id > 1 && !met.has(id));
}
