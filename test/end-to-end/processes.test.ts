/** Several processes of one home, and processes that are stopped: nothing is lost, nothing is done twice. */
import { afterAll, expect, vi } from "vitest";
import { needing } from "../../src/edges/jails/sandbox.case.ts";
import type { Scenario } from "../../src/edges/simulator/scenario.ts";
import { startSimulator } from "../../src/edges/simulator/server.ts";
import { realClock } from "../../src/main/inside.ts";
import { node } from "../support/projects.ts";
import { type Ended, file, type Line, openGround, processesAbout } from "../support/rigs.ts";

const { test, describe } = await needing("jail");

// Real processes: on a machine that is busy with other tests each takes its time.
vi.setConfig({ testTimeout: 90_000 });

const end = (ended: Ended) => ended.lines.at(-1) as Record<string, unknown>;
const idOf = (line: Line) => String(line.goal);
const first = `First: ${node.goal}`;
const second = `Second: ${node.goal}`;
/** Longer than any test waits: whoever is to end this call must do so on purpose. */
const delayMs = 600_000;

/** A server that takes this key only, and answers these texts one after the other. */
async function simulated(key: string, texts: readonly string[]) {
  const rules = texts.map(
    (text) => ({ when: {}, times: 1, do: { kind: "say", text, finish: "stop" } }) as const,
  );
  const scenario: Scenario = { models: {}, rules, accounts: [] };
  const simulator = await startSimulator({ key, scenario, clock: realClock });
  return { url: simulator.url, [Symbol.dispose]: () => void simulator.close() };
}

describe("processes of one home", () => {
  const ground = openGround();
  afterAll(() => ground[Symbol.dispose]());
  const user = ground.repository("user", node.files);
  const execute = (goal: string) => ["goal", "execute", goal, "--check", node.check];
  const start = (goal: string) => ground.start(user.top, [...execute(goal), "--json"]);
  const resume = (goal: string) => ground.rigs(user.top, "goal", "resume", goal, "--json");
  const leftOver = () => processesAbout(ground.folder, ground.workRoot);

  test("Ctrl-C once stops cleanly and says how to go on", async () => {
    ground.script({ text: node.right, delayMs });
    const person = ground.start(user.top, execute(first));
    await person.wrote("draft: asking script");
    person.process.kill("SIGINT");
    const stopped = await person.ended;
    expect(stopped.code).toBe(130);
    const line = /stopped; nothing is lost\. Go on with: rigs goal resume (\w{8})\n/.exec(stopped.err);
    expect(line, stopped.err).not.toBeNull();
    expect(leftOver()).toEqual([]);
    const shown = await ground.rigs(user.top, "goal", "show", line?.[1] ?? "");
    expect(shown.out).toMatch(/spent: +1 call was cut; counted at its estimate of [\d,]+ tokens$/m);
    ground.script({ text: node.right });
    const resumed = await resume(line?.[1] ?? "");
    expect(resumed.code, resumed.err).toBe(0);
    // The call that was out is counted as paid.
    expect(end(resumed)).toMatchObject({ outcome: "delivered", spend: { requests: 2 } });
  });

  test("a second execute works through the owner; a cancel from a third process ends the first", async () => {
    ground.script({ when: "First", text: node.right, delayMs }, { when: "Second", text: node.right });
    const owner = start(first);
    const goal = idOf(await owner.said("goal-start"));
    await owner.said("call-reserved");
    const guest = await start(second).ended;
    expect(guest.code, guest.err).toBe(0);
    expect(end(guest)).toMatchObject({ type: "goal-end", outcome: "delivered" });
    expect(guest.lines[0]).toMatchObject({ type: "goal-start" });

    const cancelled = await ground.rigs(user.top, "goal", "cancel", goal, "--json");
    expect(cancelled).toMatchObject({ code: 0, lines: [{ goal, cancelled: true }] });
    const ended = await owner.ended;
    expect(ended.code, ended.err).toBe(130);
    expect(end(ended)).toMatchObject({ outcome: "cancelled", spend: { requests: 1 } });
    expect(leftOver()).toEqual([]);
    const again = await ground.rigs(user.top, "goal", "cancel", goal);
    expect(again).toMatchObject({ code: 2, err: expect.stringContaining("has ended already") });
  });

  test("a guest's goal has the configuration as it is now and the guest's own keys, which are written nowhere", async () => {
    const key = "sk-canary-9d2f61c07b5ae834";
    using simulator = await simulated(key, [node.right, file("src/words.js", `const key = "${key}";\n`)]);
    ground.script({ when: "First", text: node.right, delayMs });
    const owner = start(first);
    const goal = idOf(await owner.said("goal-start"));
    await owner.said("call-reserved");
    const added = ["provider", "add", "paid", "--kind", "openai-compatible", "--model", "perfect"];
    const settings = ["--base-url", `${simulator.url}/v1`, "--api-key-env", "GUEST_KEY"];
    expect((await ground.rigs(user.top, ...added, ...settings)).code).toBe(0);

    const words = [...execute(second), "--json", "--provider", "paid"];
    const guest = await ground.start(user.top, words, { GUEST_KEY: key }).ended;
    expect(guest.code, guest.err).toBe(0);
    expect(end(guest)).toMatchObject({ outcome: "delivered", spend: { requests: 1 } });
    const leaking = await ground.start(user.top, words, { GUEST_KEY: key }).ended;
    expect(String(end(leaking).reason)).toContain("holds one of your secrets");

    const status = await ground.rigs(user.top, "status");
    expect(status.out).toContain(`${goal}  running (process ${owner.process.pid})`);
    owner.process.kill("SIGINT");
    const stopped = await owner.ended;
    expect((await ground.rigs(user.top, "status")).out).toContain(`${goal}  interrupted, go on with: rigs`);
    for (const { out, err } of [guest, leaking, status, stopped]) expect(out + err).not.toContain(key);
    expect(ground.storeBytes()).toContain(goal);
    expect(ground.storeBytes()).not.toContain(key);
    ground.script({ text: node.right });
    expect((await resume(goal)).code).toBe(0);
  });

  test("when the owner is killed, the guest that waits takes over; the owner's own goal can be resumed", async () => {
    ground.script({ text: node.right, delayMs });
    const owner = start(first);
    const goal = idOf(await owner.said("goal-start"));
    await owner.said("call-reserved");
    const guest = start(second);
    await guest.said("call-reserved");
    ground.script({ text: node.right });
    owner.process.kill("SIGKILL");
    expect((await owner.ended).code).toBe(-1);
    const taken = await guest.ended;
    expect(taken.code, taken.err).toBe(0);
    expect(end(taken)).toMatchObject({ outcome: "delivered", spend: { requests: 2 } });

    const resumed = await resume(goal);
    expect(resumed.code, resumed.err).toBe(0);
    expect(end(resumed)).toMatchObject({ outcome: "delivered", spend: { requests: 2 } });
    expect(user.git("branch", "--list", "rigs/*").split("\n").length).toBeGreaterThanOrEqual(3);
    expect(leftOver()).toEqual([]);
  });

  test("an owner that only works for a guest any more still stops at Ctrl-C, and the guest takes over", async () => {
    ground.script({ when: "First", text: node.right }, { when: "Second", text: node.right, delayMs });
    const owner = start(first);
    await owner.said("goal-start");
    const guest = start(second);
    await guest.said("call-reserved");
    await owner.said("goal-end");
    ground.script({ text: node.right });
    owner.process.kill("SIGINT");
    expect((await owner.ended).code).toBe(0);
    const taken = await guest.ended;
    expect(taken.code, taken.err).toBe(0);
    expect(end(taken)).toMatchObject({ outcome: "delivered", spend: { requests: 2 } });
    expect(leftOver()).toEqual([]);
  });
});
