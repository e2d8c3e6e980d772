/** The foreman as a process of its own: started, asked, stopped; what is open goes on by itself. */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, vi } from "vitest";
import { needing } from "../../src/edges/jails/sandbox.case.ts";
import { node } from "../support/projects.ts";
import { openGround, processesAbout, seen } from "../support/rigs.ts";

const { test, describe } = await needing("jail");

// Real processes: on a machine that is busy with other tests each takes its time.
vi.setConfig({ testTimeout: 90_000 });

/** Longer than any test waits: whoever is to end this call must do so on purpose. */
const delayMs = 600_000;

describe("the foreman", () => {
  const ground = openGround();
  const user = ground.repository("user", node.files);
  const rigs = (...words: readonly string[]) => ground.rigs(user.top, ...words);
  const foremen = () => processesAbout(ground.home).filter(({ words }) => words.includes("foreman run"));
  afterAll(() => {
    for (const { id } of foremen()) process.kill(id, "SIGKILL");
    ground[Symbol.dispose]();
  });
  const execute = ["goal", "execute", node.goal, "--check", node.check, "--json"];
  const status = async () => (await rigs("foreman", "status", "--json")).lines[0] ?? {};

  test("goes on with what was interrupted, works for guests, and gives all back when it is stopped", async () => {
    // Somebody began a goal and left.
    ground.script({ text: node.right, delayMs });
    const person = ground.start(user.top, execute);
    const goal = String((await person.said("goal-start")).goal);
    await person.said("call-reserved");
    expect((await rigs("foreman", "start")).err).toContain(`process ${person.process.pid} works on its own`);
    expect((await rigs("foreman", "stop")).err).toContain("works for its own command");
    person.process.kill("SIGINT");
    expect((await person.ended).code).toBe(130);

    ground.script({ text: node.right }, { text: node.right });
    // A log that is full becomes the old one.
    writeFileSync(join(ground.home, "foreman.log"), "x".repeat(3 * 1_048_576));
    const started = await rigs("foreman", "start", "--json");
    expect(started.code, started.err).toBe(0);
    const first = Number(started.lines[0]?.process);
    expect(foremen().map(({ id }) => id)).toEqual([first]);
    expect(await status()).toMatchObject({ running: true, process: first, role: "foreman" });
    const again = await rigs("foreman", "start");
    expect(again.code).toBe(2);
    expect(again.err).toContain(`the foreman runs already: process ${first}`);

    // Nobody waits for it, and it ends.
    const log = () => readFileSync(join(ground.home, "foreman.log"), "utf8");
    expect(log().length).toBeLessThan(10_000);
    expect(statSync(join(ground.home, "foreman.log.1")).size).toBe(3 * 1_048_576);
    await seen(
      () => (log().includes(`goal ${goal} ended: delivered`) ? true : undefined),
      "the end of the goal",
    );
    const guest = await ground.start(user.top, execute).ended;
    expect(guest.lines.at(-1)).toMatchObject({ type: "goal-end", outcome: "delivered" });

    // Stopped over a call, it gives the bead back; the next one goes on with it.
    ground.script({ text: node.right, delayMs });
    const watcher = ground.start(user.top, execute);
    const third = String((await watcher.said("goal-start")).goal);
    await watcher.said("call-reserved");
    expect(await status()).toMatchObject({
      goals: [{ goal: third, beads: [{ bead: "1", state: "claimed" }] }],
    });
    watcher.process.kill("SIGKILL");
    await watcher.ended;
    expect(await rigs("foreman", "stop")).toMatchObject({ code: 0 });
    expect(processesAbout(ground.folder, ground.workRoot)).toEqual([]);
    expect((await rigs("status")).out).toContain(`${third}  interrupted`);
    expect(await status()).toEqual({ running: false, goals: [] });
    expect((await rigs("foreman", "stop")).out).toBe("no foreman runs here\n");

    // In the foreground, until Ctrl-C.
    const foreground = ground.start(user.top, ["foreman", "run", "--json"]);
    await foreground.said("foreman-said");
    ground.script({ text: node.right });
    foreground.process.kill("SIGINT");
    const ended = await foreground.ended;
    expect({ code: ended.code, last: ended.lines.at(-1)?.line }).toEqual({
      code: 0,
      last: "the foreman has stopped",
    });
    expect((await rigs("goal", "show", third, "--json")).lines[0]).not.toHaveProperty("end");
  });
});
