/** Several processes of one home, and processes that are stopped: nothing is lost, nothing is done twice. */
import { afterAll, describe, expect, test, vi } from "vitest";
import { node } from "../support/projects.ts";
import { type Ended, type Line, openGround, processesAbout } from "../support/rigs.ts";

// Real processes: on a machine that is busy with other tests each takes its time.
vi.setConfig({ testTimeout: 90_000 });

const end = (ended: Ended) => ended.lines.at(-1) as Record<string, unknown>;
const idOf = (line: Line) => String(line.goal);
const first = `First: ${node.goal}`;
const second = `Second: ${node.goal}`;
/** Longer than any test waits: whoever is to end this call must do so on purpose. */
const delayMs = 600_000;

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
