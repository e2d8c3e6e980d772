import { describe, expect, test } from "vitest";
import type { Event } from "../../domain/event.ts";
import { partOf, planted, worked } from "../../domain/forest.case.ts";
import { blobOf, commitOf } from "../../domain/sample.case.ts";
import { type AtWork, addAdvice } from "../house.ts";
import { exits } from "./exit.ts";
import { type HouseSetting, openFakeHouse, openFakeTerminal, runOver, usable } from "./house.case.ts";
import { delivered, historyOf, theGoal } from "./story.case.ts";

const forest: HouseSetting = { events: [...planted(), ...worked(1, true), ...worked(2, false)] };
const solo: HouseSetting = { events: historyOf() };
const run = (setting: HouseSetting, ...words: readonly string[]) => runOver(openFakeHouse(setting), words);
const foreman: AtWork = {
  kind: "process",
  process: 42,
  role: "foreman",
  since: 940_000,
  goals: [theGoal],
  queued: [],
};

async function documentOf(setting: HouseSetting, ...words: readonly string[]): Promise<unknown> {
  const { out } = await run(setting, ...words, "--json");
  expect(out).toHaveLength(1);
  return JSON.parse(out[0] ?? "");
}

describe("a tree", () => {
  test("goal show: every bead with its state and commit", async () => {
    expect((await run(forest, "goal", "show", theGoal)).out.join("\n")).toMatchInlineSnapshot(`
      "goal k7m2q9xd: interrupted
        wants:      A shop
                    with a bill
        repository: /somewhere/shop from 000000000000
        providers:  scripted
        spent:      2 requests, 3,000 tokens in, 200 out
        parts:      1 of 3 are in
          1  split  the whole
            1.1  integrated (proven) at 000000000000  price: Write total(prices) in shop/price.py: the sum of a list of prices.
            1.2  parked  cart: Write Cart in shop/cart.py: add(name, price) keeps items in order.  why: the tries are spent
            1.3  blocked by other beads  checkout: Write bill(items) in shop/checkout.py with total and Cart.
        each step:  rigs bead show k7m2q9xd.1 (or of any part above)
        go on with: rigs goal resume k7m2q9xd"
    `);
  });
  test("bead list of a goal is a tree, of all goals it is flat", async () => {
    const { out } = await run(forest, "bead", "list", "--goal", theGoal);
    expect(out.map((line) => line.slice(0, 15))).toMatchInlineSnapshot(`
      [
        "k7m2q9xd.1  spl",
        "  k7m2q9xd.1.1 ",
        "  k7m2q9xd.1.2 ",
        "  k7m2q9xd.1.3 ",
      ]
    `);
    expect((await run(forest, "bead", "list")).out[1]).toMatch(/^\S/);
  });
  test("bead list: at 80 columns a long reason leaves room for what the task is", async () => {
    const reason = `the last answer ${"said nothing and ".repeat(20)}`;
    const parked = { type: "bead-parked", at: 1_001, goal: theGoal, bead: partOf(2), cause: "work", reason };
    const events = [...planted(), ...worked(1, true), parked as unknown as Event];
    const terminal = openFakeTerminal({ columns: 80 });
    const { out } = await runOver(openFakeHouse({ events }), ["bead", "list"], { terminal });
    expect(out[2]).toBe(`${partOf(2)}  parked  cart: Write Cart in shop/cart.p…  why: the last answer sa…`);
    for (const line of out) expect(line.length).toBeLessThanOrEqual(80);
  });
  test("bead list: the newest goal first, each by number", async () => {
    const older = "zzzzzzzz" as typeof theGoal;
    const events = [...planted(11, older), ...planted(2)];
    const beads = async (...words: readonly string[]) => {
      const [text = ""] = (await run({ events }, "bead", "list", "--json", ...words)).out;
      return (JSON.parse(text) as { readonly id: string }[]).map(({ id }) => id);
    };
    const numbered = Array.from({ length: 11 }, (_, index) => `${older}.1.${index + 1}`);
    expect(await beads()).toEqual([`${theGoal}.1`, partOf(1), partOf(2), `${older}.1`, ...numbered]);
  });
  test("calls that are out are counted over all parts, and so are those that were cut", async () => {
    const out = (number: number) => worked(number, true).slice(0, 2);
    const lost = {
      type: "call-settled",
      at: 1_000,
      goal: theGoal,
      usd: 0,
      wallMs: 1,
      settled: { kind: "lost" },
    };
    const cut = (number: number) => {
      const about = {
        bead: partOf(number),
        attempt: `${partOf(number)}/a1`,
        call: `${partOf(number)}/a1/c1`,
      };
      return { ...lost, ...about, usage: { input: 900, cachedInput: 0, output: 0 } } as unknown as Event;
    };
    const spent = async (setting: HouseSetting) =>
      (await run(setting, "goal", "show", theGoal)).out.find((line) => line.includes("spent:"))?.trim();
    const two = [...planted(), ...out(1), ...out(2)];
    expect(await spent({ events: two, atWork: foreman })).toBe(
      "spent:      2 calls are out; 1,800 tokens are reserved for them",
    );
    expect(await spent({ events: two })).toBe(
      "spent:      2 calls were cut; counted at their estimates of 1,800 tokens",
    );
    expect(await spent({ events: [...two, cut(1), cut(2)] })).toBe(
      "spent:      2 requests, at most 1,800 tokens (2 calls were cut and count at their estimates)",
    );
  });
  test("a sum of USD names whom it leaves out: those without a known price that took tokens", async () => {
    const priced = (number: number, usd: number, provider: string) =>
      worked(number, true).map((event): Event => {
        if (event.type === "call-reserved") return { ...event, provider };
        return event.type === "call-settled" ? { ...event, usd } : event;
      });
    const free = { ...usable, name: "free", price: { kind: "nothing" } } as const;
    const why = "no price is configured";
    const deep = { ...usable, name: "deep", price: { kind: "unknown", why } } as const;
    const providers = [usable, free, deep];
    const spent = async (events: readonly Event[], ...words: readonly string[]) =>
      (await run({ events: [...planted(4), ...events], providers }, ...words)).out
        .find((line) => line.includes("spent:"))
        ?.replace(/.*tokens in, [\d,]+ out/, "");
    const of = (...events: readonly Event[]) => spent(events, "goal", "show", theGoal);
    expect(await of(...priced(1, 0.5, "work"), ...priced(2, 0, "free"))).toBe(", $0.5000");
    const mixed = [...priced(1, 0.5, "work"), ...priced(2, 0, "deep"), ...priced(3, 0, "deep")];
    expect(await of(...mixed)).toBe(", $0.5000 without deep, whose price is not known");
    expect(await of(...priced(1, 0, "deep"), ...priced(2, 0, "gone"))).toBe(
      ", the prices of deep, gone are not known",
    );
    expect(await spent(mixed, "bead", "show", partOf(1))).toBe(", $0.5000");
    expect(await spent(mixed, "bead", "show", partOf(2))).toBe(", the price of deep is not known");
  });
  test("what stands in parts says so, never that the goal is proven; and how it goes on", async () => {
    const why =
      "1 of 3 parts are in, each proven; the whole is not; not in: bead x (cart) is parked (the tries are spent)";
    const end = { ...delivered, outcome: "partial", reason: why } as const;
    const { code, out } = await run({ ...forest, work: { end } }, ...["goal", "resume", theGoal]);
    expect(code).toBe(exits.partial);
    expect(out[0]).toBe(
      "partial: 1 of 3 parts are in, each proven; the whole is not (0.0 s, 2 requests, 3,000 tokens in, 200 out)",
    );
    expect(out[1]).toBe("because:  not in: bead x (cart) is parked (the tries are spent)");
    expect(out.at(-1)).toBe(`go on:    rigs goal resume ${theGoal}`);
  });
  test("a part that was parked, and that the delivered whole does, is told as done", async () => {
    const whole = `${theGoal}.1`;
    const own = { at: 1_001, goal: theGoal, bead: whole };
    const about = { ...own, attempt: `${whole}/a1`, commit: commitOf(8) };
    const lost = { ...own, bead: partOf(3), cause: "budget", reason: "it is over its budget" };
    const first = worked(1, true);
    const proved = first.find(({ type }) => type === "proof-ended");
    const ended = { at: 1_002, goal: theGoal, type: "goal-ended", end: delivered };
    const events = [
      ...planted(3),
      ...first,
      ...worked(2, false),
      { ...lost, type: "bead-parked" },
      { ...own, type: "bead-ready" },
      { ...about, type: "bead-claimed", by: "p@7", token: 1 },
      { ...about, type: "proof-started" },
      { ...proved, ...about },
      { ...own, type: "bead-integrating" },
      { ...own, type: "bead-integrated", commit: commitOf(8), statement: blobOf(7) },
      ended,
    ] as readonly Event[];
    const { out } = await run({ events }, "goal", "show", theGoal);
    expect(out).toContain("  parts:      1 of 3 are in, 2 done by the whole");
    expect(out).toContain(
      "      1.2  done by the whole  cart: Write Cart in shop/cart.py: add(name, price) keeps items in order.  why: it was parked: the tries are spent",
    );
    expect((await run({ events }, "bead", "show", partOf(3))).out[0]).toBe(
      `bead ${partOf(3)}: done by the whole; it was parked: it is over its budget`,
    );
    expect((await run({ events }, "convoy", "list")).out).toEqual([
      `${theGoal}  delivered  1 of 3 parts in, 2 done by the whole  A shop`,
    ]);
  });
  test("bead show: the contract, the checks as commands, what the work stands on", async () => {
    expect((await run(forest, "bead", "show", partOf(2))).out.join("\n")).toMatchInlineSnapshot(`
      "bead k7m2q9xd.1.2: parked: the tries are spent
        name:   cart
        wants:  Write Cart in shop/cart.py: add(name, price) keeps items in order.
        owns:   shop/part2.py
        reads:  shop/kinds.py
        gives:  shop/part2.py: name(text: str) -> str
        does:   An empty text gives an empty one.
        checks: 1.2-1 (python3 -m pytest -q tests/test_1_2_1.py)
        spent:  1 request, 2,000 tokens in, 100 out
        attempt k7m2q9xd.1.2/a1: 1 call, 1 revision, on 000000000000
          c1 draft: answered (stop)
          r1 000000000000: 1/3 tests, test_add: assert "3" == 4 – ünïcode [shop/part2.py]
        the answers: rigs bead show k7m2q9xd.1.2 --transcript
        a change:    rigs bead show k7m2q9xd.1.2 --diff r1
        a question:  rigs bead show k7m2q9xd.1.2 --prompt c1"
    `);
  });
  test("convoys are goals that are trees", async () => {
    expect((await run(forest, "convoy", "list")).out).toEqual([
      `${theGoal}  interrupted  1 of 3 parts in  A shop`,
    ]);
    expect((await run(solo, "convoy", "list")).out[0]).toMatch(/^no goal is a tree/);
    expect((await run(forest, "convoy", "show", theGoal)).out.join("\n")).toMatchInlineSnapshot(`
      "convoy k7m2q9xd: interrupted, 1 of 3 parts in
        1  split  the whole
          1.1  integrated (proven) at 000000000000  price: Write total(prices) in shop/price.py: the sum of a list of prices.
          1.2  parked  cart: Write Cart in shop/cart.py: add(name, price) keeps items in order.  why: the tries are spent
          1.3  blocked by other beads  checkout: Write bill(items) in shop/checkout.py with total and Cart."
    `);
    expect(await documentOf(forest, "convoy", "list")).toMatchObject([
      { convoy: theGoal, parts: 3, integrated: 1 },
    ]);
    expect(await documentOf(forest, "convoy", "show", theGoal)).toMatchObject({ convoy: theGoal, parts: 3 });
  });
});

describe("deeper into a bead", () => {
  const show = (...words: readonly string[]) => run(solo, "bead", "show", `${theGoal}.1`, ...words);
  test("--diff: what one revision changed; control characters cannot drive the terminal", async () => {
    expect((await show("--diff", "r2")).out).toEqual([
      `--- ${theGoal}.1/a1/r2: 000000000000, changed from 000000000000`,
      "from 0000 to 0002",
      "+added\\x1b[31m",
      "-gone",
    ]);
    const shown = await documentOf(solo, "bead", "show", `${theGoal}.1`, "--diff", `${theGoal}.1/a1/r1`);
    expect(shown).toMatchObject({ diff: { revision: `${theGoal}.1/a1/r1` } });
    expect((await show("--diff", "r9")).refused).toBe(
      'there is no revision "r9"; there are 1/a1/r1, 1/a1/r2, 1/a1/r3',
    );
    // "1" ends every name and means none.
    expect((await show("--diff", "1")).refused).toMatch(/^there is no revision "1"/);
  });
  test("--prompt: what was asked, in whose words", async () => {
    const blob = JSON.stringify({
      system: "Role: coder",
      messages: [{ from: "user", text: "mend\u001b[2J it" }],
    });
    const asked = { ...solo, blob };
    expect((await run(asked, "bead", "show", `${theGoal}.1`, "--prompt", "c2")).out).toEqual([
      `--- ${theGoal}.1/a1/c2 (repair) to work (some-model)`,
      "--- system",
      "Role: coder",
      "--- user",
      "mend\\x1b[2J it",
    ]);
    expect((await show("--prompt", "c9")).refused).toMatch(/^there is no call "c9"/);
  });
});

describe("a bead is changed", () => {
  test("retry: ready again, and its goal goes on", async () => {
    const fake = openFakeHouse({ ...forest, work: { end: delivered } });
    const { code, err } = await runOver(fake, ["bead", "retry", partOf(2)]);
    expect(code).toBe(exits.done);
    expect(fake.wishes).toEqual([{ kind: "retry", bead: partOf(2), budget: {} }]);
    expect(err[0]).toBe(`bead ${partOf(2)} is tried again`);
  });
  test("retry with other bounds; in USD only where prices are known", async () => {
    const fake = openFakeHouse({ ...forest, work: { end: delivered } });
    const bounds = ["--budget-tokens", "24000", "--max-minutes", "3"];
    expect((await runOver(fake, ["bead", "retry", partOf(2), ...bounds])).code).toBe(exits.done);
    const budget = { tokensMax: 24_000, wallMsMax: 180_000 };
    expect(fake.wishes).toEqual([{ kind: "retry", bead: partOf(2), budget }]);
    const unpriced = { ...usable, name: "scripted", price: { kind: "unknown", why: "no list" } } as const;
    const words = ["bead", "retry", partOf(2), "--budget-usd", "1"];
    expect((await run({ ...forest, providers: [unpriced] }, ...words)).refused).toContain(
      "scripted, whose price",
    );
  });
  test("cancel and create hand on what was typed", async () => {
    const fake = openFakeHouse(forest);
    expect((await runOver(fake, ["bead", "cancel", partOf(3)])).out[0]).toContain("is cancelled");
    const words = ["--goal", theGoal, "--owns", "shop/tax.py", "--check", "pytest t", "--after", partOf(1)];
    const { out } = await runOver(fake, ["bead", "create", "Write tax", ...words]);
    expect(out.slice(-2)).toEqual([
      `bead ${partOf(4)} is added`,
      `nobody works on the goal; go on with: rigs goal resume ${theGoal}`,
    ]);
    expect(fake.wishes).toEqual([
      { kind: "cancel", bead: partOf(3) },
      {
        kind: "create",
        goal: theGoal,
        wish: {
          ...{ intent: "Write tax", owns: ["shop/tax.py"], checks: ["pytest t"], checksByExit: [] },
          ...{ dependsOn: [partOf(1)], budget: {} },
        },
      },
    ]);
    expect(await documentOf(forest, "bead", "cancel", partOf(3))).toEqual({
      bead: partOf(3),
      cancelled: true,
    });
  });
  test("what is missing or not there", async () => {
    const { code, err } = await run(forest, "bead", "create");
    expect({ code, err }).toEqual({
      code: exits.usage,
      err: ["rigs bead create: the DESC is missing; rigs bead create --help shows what there is"],
    });
    expect((await run(forest, "bead", "create", "write", "tax")).err).toEqual([
      'rigs bead create: the task is one text, put it in quotes: rigs bead create "…"',
    ]);
    const own = await run(forest, "bead", "create", "x", "--goal", theGoal, "--probe", "3");
    expect(own.refused).toMatch(/^--probe is for a task of its own/);
    expect((await run(forest, "bead", "create", "x", "--after", partOf(1))).refused).toMatch(
      /say which with --goal/,
    );
    expect((await run(forest, "bead", "retry", "1")).refused).toMatch(/rigs bead list shows all/);
  });
});

describe("goal rollback", () => {
  test("a branch of the revision, and what was proven of it", async () => {
    const fake = openFakeHouse(solo);
    expect((await runOver(fake, ["goal", "rollback", theGoal, "--to", "r1"])).out).toEqual([
      `branch rigs/${theGoal}-at-r1 points at ${theGoal}.1/a1/r1 (000000000000): nothing was proven of it`,
      `look: git log -p rigs/${theGoal}-at-r1`,
    ]);
    expect(fake.wishes).toEqual([{ branch: `rigs/${theGoal}-at-r1`, commit: `${"0".repeat(39)}1` }]);
    const proven = { revision: `${theGoal}.1/a1/r3`, verdict: "proven" };
    expect(await documentOf(solo, "goal", "rollback", theGoal, "--to", "r3")).toMatchObject(proven);
    const part = { branch: `rigs/${theGoal}-at-1.2-a1-r1`, verdict: "unproven" };
    const typed = "1.2/a1/r1";
    expect((await run(forest, "goal", "rollback", theGoal, "--to", "r1")).refused).toBe(
      'several beads have a revision "r1"; there are 1.1/a1/r1, 1.2/a1/r1',
    );
    expect(await documentOf(forest, "goal", "rollback", theGoal, "--to", typed)).toMatchObject(part);
  });
});

describe("the foreman", () => {
  test("status: who, since when, and what it works on", async () => {
    expect((await run(forest, "foreman", "status")).out).toEqual([
      "no foreman runs here; start one with: rigs foreman start",
    ]);
    const events = [...planted(), ...worked(2, true).slice(0, 2)];
    const { out } = await run({ events, atWork: foreman }, "foreman", "status");
    expect(out[0]).toMatch(/^the foreman: process 42 since \d\d:\d\d:\d\d \(60 s\)$/);
    expect(out.slice(1)).toEqual([
      `  ${theGoal}  A shop`,
      "    1.2  claimed  cart: Write Cart in shop/cart.py: add(name, price) keeps items in order.",
    ]);
    expect(await documentOf({ events, atWork: foreman }, "foreman", "status")).toMatchObject({
      ...{ running: true, process: 42, role: "foreman" },
      goals: [{ goal: theGoal, beads: [{ bead: "1.2", state: "claimed" }] }],
    });
  });
  test("start, a second start, stop", async () => {
    expect((await run({}, "foreman", "start")).out).toEqual([
      "the foreman works in the background: process 42, log /home/somebody/.rigs/foreman.log",
    ]);
    expect((await run({ atWork: foreman }, "foreman", "start")).refused).toMatch(/runs already: process 42/);
    expect((await run({ atWork: foreman }, "foreman", "stop")).out[0]).toMatch(/^the foreman has stopped/);
    expect((await run({}, "foreman", "stop")).out).toEqual(["no foreman runs here"]);
  });
  test("run: until Ctrl-C", async () => {
    const stop = new AbortController();
    stop.abort();
    const fake = openFakeHouse({});
    const { code, out } = await runOver(fake, ["foreman", "run", "--workers", "3"], { stop });
    expect({ code, out }).toEqual({ code: exits.done, out: ["the foreman is here: process 42"] });
    expect(fake.wishes).toEqual([{ workersMax: 3, log: undefined }]);
  });
});

describe("rigs alone", () => {
  const check = async (setting: HouseSetting, lines: readonly string[]) => {
    const { code, out, err } = await run(setting);
    expect({ code, err, next: out.slice(out.indexOf("next:")) }).toEqual({
      ...{ code: exits.done, err: [] },
      next: ["next:", ...lines.map((line) => `  ${line}`), "every command: rigs --help"],
    });
    expect(out.length).toBeLessThanOrEqual(15);
  };
  const start = 'rigs goal execute "…" --check "…"';
  test("says what to do next, whatever there is", async () => {
    await check({ providers: [], isInitialised: false }, ["rigs init", addAdvice]);
    await check({ providers: [] }, [addAdvice, "rigs doctor"]);
    await check({ providers: [{ ...usable, state: "unusable" }] }, ["rigs provider list", "rigs doctor"]);
    await check({}, [start]);
    await check(solo, [`git log -p rigs/${theGoal}`, start]);
    await check(forest, [`rigs goal resume ${theGoal}`, start]);
    await check({ ...forest, atWork: foreman }, [`rigs logs --goal ${theGoal} --follow`, start]);
  });
  test("15 lines at most, cut to the terminal", async () => {
    const goals = Array.from(
      { length: 30 },
      (_, index) => `k7m2q9${String(index).padStart(2, "0")}` as typeof theGoal,
    );
    const events = goals.flatMap((goal, index) => (index % 2 === 0 ? planted(3, goal) : historyOf(goal)));
    const terminal = openFakeTerminal({ columns: 50 });
    const { out } = await runOver(openFakeHouse({ events, atWork: foreman }), [], { terminal });
    expect(out.length).toBeLessThanOrEqual(15);
    for (const line of out) expect(line.length).toBeLessThanOrEqual(50);
  });
  test("as JSON, and with a home", async () => {
    expect(await documentOf(solo, "overview")).toMatchObject({
      named: [{ goal: theGoal }],
      goals: { ended: 1 },
    });
    expect((await run(solo, "--home", "/h")).out.at(-1)).toBe("every command: rigs --help");
    expect((await run(solo, "--json")).out).toHaveLength(1);
  });
});

describe("logs", () => {
  test("in words, the newest at the end, without what only keeps books", async () => {
    const { out } = await run(forest, "logs", "--count", "4", "--goal", theGoal);
    expect(out.map((line) => line.replace(/^\S+ /, ""))).toEqual([
      "1.2 draft: asking work (some-model)",
      "1.2 answered (2,000 tokens in, 100 out, 2.0 s)",
      '1.2 r1: 1 of 3 tests pass; test_add: assert "3" == 4 – ünïcode',
      "1.2 parked: the tries are spent",
    ]);
    const all = await run(forest, "logs");
    expect(all.out.join("\n")).not.toContain("bead-integrating");
    expect(all.out[0]).toContain(theGoal);
  });
  test("--follow goes on until it is stopped", async () => {
    const stop = new AbortController();
    const terminal = { ...openFakeTerminal(), out: () => stop.abort() };
    const { code } = await runOver(openFakeHouse(solo), ["logs", "--follow"], { stop, terminal });
    expect(code).toBe(exits.done);
  });
});
