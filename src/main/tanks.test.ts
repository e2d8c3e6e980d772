/** What people see of limits, over real homes with a tanks.json as a process left it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { LeaseId } from "../domain/meter.ts";
import { informed, type Reading } from "../domain/reading.ts";
import { refineryOf } from "../domain/refinery.ts";
import { slotsOf } from "../domain/slots.ts";
import { probing, reserved, settled, shut, type Tank } from "../domain/tank.ts";
import { parseConfig } from "../edges/config/parse.ts";
import { textOf } from "../edges/tanks/shape.ts";
import { gaugesOf } from "../faces/cli/gauge.ts";
import { openFakeTerminal } from "../faces/cli/house.case.ts";
import { runProgram } from "../faces/cli/program.ts";
import { freshTanks } from "../work/accounts.ts";
import { openHouse } from "./house.ts";
import { sourceOf } from "./source.ts";

const folder = mkdtempSync(join(tmpdir(), "rigs-tank-pages-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let homes = 0;
const canary = "sk-canary-0123456789";
const config = `
[providers.claude]
kind = "anthropic"
model = "opus"
tier = "strong"
limits = { rpm = 600 }
[providers.gemini]
kind = "gemini"
model = "pro"
limits = { rpm = 10, rpd = 100, concurrency = 2 }
[providers.play]
kind = "scripted"
script = "s.json"
`;
const hourMs = 3_600_000;

/** The tanks of a provider of that configuration, as nobody has drawn from them. */
function tanksOf(name: string, now: number): readonly [Tank, Tank] {
  const parsed = parseConfig(config, { place: "config.toml", installed: new Set<never>() });
  if (parsed.kind === "refused") throw new Error(parsed.faults.join());
  const provider = parsed.config.providers.find((each) => each.name === name);
  if (provider === undefined) throw new Error(name);
  return freshTanks(
    sourceOf(provider, now, { ANTHROPIC_API_KEY: canary, GEMINI_API_KEY: canary }),
    now,
  ) as unknown as readonly [Tank, Tank];
}

interface Home {
  /** What `tanks.json` holds; a function hears the moment. */
  readonly kept?: string | ((now: number) => readonly Tank[]);
  readonly columns?: number;
  readonly savedAt?: number;
  readonly sections?: (now: number) => Readonly<Record<string, unknown>>;
}

/** Runs a command over a home of its own. */
async function rigs({ kept, columns, savedAt, sections }: Home, ...words: readonly string[]) {
  const home = join(folder, String(++homes));
  mkdirSync(home, { mode: 0o700 });
  writeFileSync(join(home, "config.toml"), config, { mode: 0o600 });
  writeFileSync(join(home, "s.json"), '{ "answers": [{ "text": "a" }] }');
  const now = Date.now();
  if (typeof kept === "string") writeFileSync(join(home, "tanks.json"), kept);
  if (typeof kept === "function")
    writeFileSync(
      join(home, "tanks.json"),
      textOf({ refinery: refineryOf(kept(now)), sections: sections?.(now) ?? {} }, savedAt ?? now - 5_000),
    );
  const variables = {
    HOME: folder,
    PATH: "/usr/bin:/bin",
    ANTHROPIC_API_KEY: canary,
    GEMINI_API_KEY: canary,
  };
  const terminal = openFakeTerminal(columns === undefined ? {} : { columns });
  const house = async () => openHouse({ home, folder, variables, version: "1" });
  const signal = new AbortController().signal;
  const code = await runProgram(words, { version: "1", terminal, signal, house });
  const { out, err } = terminal.said;
  expect([...out, ...err].join("\n")).not.toContain(canary);
  return { code, out, err };
}

const fiveHours = (used: number, resetAt: number): Reading => ({
  ...{ kind: "window", name: "5-hour", measure: "share", periodMs: 5 * hourMs, scope: "account" },
  ...{ used, limit: 1, resetAt },
});
/** How many it begins with is the slots' own business. */
const guessed = expect.stringMatching(
  /^ {2}calls at once {3}0 of 1 out \(one first, whose answer tells the limits\)$/,
) as string;
const time = String.raw`(\w{3} \d+ \w{3} )?\d\d:\d\d(:\d\d)?`;

describe("tank list", () => {
  test("where nobody was asked: what the configuration says, and what is not known", async () => {
    const { code, out, err } = await rigs({}, "tank", "list");
    expect({ code, err, out }).toEqual({
      code: 0,
      err: [],
      out: [
        "nobody was asked yet, so this is what config.toml says; a bar shows what is left",
        "claude  anthropic  opus  strong",
        guessed,
        "  requests        [####################] 100 % left, refills 600 a minute",
        "  not known yet   input tokens, output tokens: a reply will tell",
        "gemini  gemini  pro  standard",
        expect.stringMatching(
          new RegExp(`^  day window      \\[#{20}\\] 0 % used of 100, resumes ${time}$`),
        ) as string,
        guessed,
        "  requests        [####################] 100 % left, refills 10 a minute",
        "  not known yet   input tokens: a reply will tell",
        "play  scripted  -  standard",
        "  limits          none: it is a script",
      ],
    });
  });
  test("windows with their end, calls of a process that is gone, what tokens take of a window", async () => {
    const kept = (now: number) => {
      const [account, model] = tanksOf("claude", now);
      const draft = { input: 50_000, cachedInput: 0, output: 5_000, outputMax: 5_000 };
      const call = { draft, perMs: 1, floor: 0 };
      const id = "one" as LeaseId;
      let learned = informed(account, [fiveHours(0.69, now + hourMs)], now, now);
      for (const used of [0.8, 0.91]) {
        const drawn = reserved(learned, id, call, { now, leaseMs: 60_000 });
        const ended = settled(drawn, id, { used: draft, how: "well" }, now);
        learned = informed(ended, [fiveHours(used, now + hourMs)], now, now);
      }
      return [learned, reserved(model, "two" as LeaseId, call, { now, leaseMs: 60_000 })];
    };
    const { out } = await rigs({ kept }, "tank", "list");
    expect(out[0]).toMatch(/^as it was left \d+(\.\d)? s ago, counted on to now/);
    expect(out[2]).toMatch(
      new RegExp(
        `^  5-hour window   \\[##\\.{18}\\] 91 % used, resumes ${time}, below red, about 20 % per 100k tokens$`,
      ),
    );
    expect(out[3]).toEqual(guessed);
    expect(out[4]).toMatch(/^ {2}requests {8}\[#{12,20}\.{0,8}\] (\d\d|100) % left, refills 600 a minute$/);
  });
  test.each([80, 200])("fits %i columns", async (columns) => {
    const kept = (now: number) => [
      shut(tanksOf("claude", now)[0], { until: now + hourMs, why: "HTTP 429: ".padEnd(300, "x") }, now),
    ];
    const { out } = await rigs({ kept, columns }, "tank", "list");
    for (const line of out) expect(line.length).toBeLessThanOrEqual(columns);
  });
  test("as JSON: figures with where they come from, nothing that JSON cannot say", async () => {
    const { out } = await rigs({}, "tank", "list", "--json");
    const document = JSON.parse(out.join("")) as { providers: object[] };
    expect(document).toMatchObject({ savedAt: null, note: null });
    expect(document.providers[1]).toMatchObject({
      ...{ provider: "gemini", state: "usable", isUnlimited: false, closure: null },
      tanks: [
        { scope: "account", gauges: [] },
        {
          scope: "model",
          isKept: false,
          gauges: [
            { kind: "window", name: "day window", limit: 100, used: 0, source: "configured" },
            { kind: "slots", out: 0, limit: 1, max: 2, source: "assumed", isFirst: true },
            { kind: "rate", name: "requests", perMinute: 10, left: 1, source: "configured" },
          ],
        },
      ],
    });
  });
});

describe("what goes wrong is classified, and says what to do next", () => {
  const lines = async (kept: Home["kept"], name = "claude", home: Home = {}) =>
    (await rigs({ ...home, ...(kept !== undefined && { kept }) }, "tank", "status", name)).out;
  const closing = (why: string, until: number) => (now: number) => [
    shut(tanksOf("claude", now)[0], { until: until === 0 ? now + 90_000 : until, why }, now),
  ];
  test.each([
    ["a key that was revoked", "HTTP 401: invalid x-api-key; check the key in ANTHROPIC_API_KEY"],
    ["a billing stop", "HTTP 402: no balance; add credit or change the plan of this account"],
  ])("%s: closed until a person has mended it", async (_name, why) => {
    const out = await lines(closing(why, Number.POSITIVE_INFINITY));
    expect(out).toContain(`  closed          until you mend it: ${why}; then: rigs tank refresh claude`);
    expect(out).toContain(`a call of 8,000 tokens in and 1,000 out would wait for: ${why}`);
    expect(out.at(-1)).toBe(
      "next: mend it; the next goal that is worked on asks once more, or now: rigs tank refresh claude",
    );
  });
  test("a limit that ends by itself: until when, and nothing to do", async () => {
    const out = await lines(closing("HTTP 429: slow down", 0));
    expect(out.join("\n")).toMatch(
      new RegExp(`  closed          until ${time} \\(in \\d+ s\\): HTTP 429: slow down`),
    );
    expect(out.at(-1)).toMatch(/^next: nothing; it opens by itself in \d+ s$/);
  });
  test("a provider that sends no headers: what is not known is said to be the least of all", async () => {
    const out = await lines(undefined);
    expect(out).toContain(
      "  not known yet   input tokens, output tokens: nothing limits them here until a reply tells",
    );
    expect(out.join("\n")).toContain("of 10 at once, a second's worth: many providers count by the second");
    expect(out.at(-1)).toBe("a call of 8,000 tokens in and 1,000 out could begin now");
  });
  test("one that refuses although its headers said there was room: fewer at once, found by trying", async () => {
    const out = await lines((now) => {
      const [account, model] = tanksOf("claude", now);
      const call = {
        ...{ draft: { input: 10, cachedInput: 0, output: 10, outputMax: 10 }, perMs: 1, floor: 0 },
      };
      const id = "one" as LeaseId;
      const room: Reading = { kind: "rate", measures: ["requests"], limit: 600, remaining: 599 };
      const drawn = reserved(model, id, call, { now, leaseMs: 60_000 });
      const told = informed(drawn, [room], now, now);
      return [account, settled(told, id, { used: undefined, how: "refused" }, now)];
    });
    expect(out).toContainEqual(
      expect.stringMatching(/^ {2}calls at once {3}0 of \d+ out \(found by trying, more as answers come\)$/),
    );
    expect(out.join("\n")).toContain(
      "of 5 at once, fewer since it refused some; the rate is from config.toml",
    );
  });
  test("one that was overloaded: one call goes first, then more", async () => {
    const out = await lines((now) => {
      const [account, model] = tanksOf("claude", now);
      return [account, probing({ ...model, slots: slotsOf(undefined) }, "HTTP 529: Overloaded", now)];
    });
    expect(out).toContain("  calls at once   0 of 1 out (one first after an overload, more as answers come)");
  });
  test("a second client on the account: what it took is named, in the window it took it from", async () => {
    const drifts = (now: number) => ({
      [tanksOf("claude", now)[0].name]: { at: now - 1_000, window: "5-hour", share: 0.3 },
    });
    const kept = (now: number) => [
      informed(tanksOf("claude", now)[0], [fiveHours(0.6, now + hourMs)], now, now),
    ];
    const out = await lines(kept, "claude", { sections: (now) => ({ drifts: drifts(now) }) });
    expect(out.join("\n")).toContain(
      "30 % of it went beyond what calls from here took: something else draws from this account, or it miscounts",
    );
    const old = await lines(kept, "claude", { sections: (now) => ({ drifts: drifts(now - 5 * hourMs) }) });
    expect(old.join("\n")).not.toContain("beyond what");
    const broken = await lines(kept, "claude", { sections: () => ({ drifts: "none" }) });
    expect(broken.join("\n")).toContain("60 % used");
  });
  test("a limit of 0: it says that the plan gives nothing", async () => {
    const zero: Reading = {
      ...{ kind: "window", name: "day", measure: "requests", periodMs: 24 * hourMs, scope: "model" },
      ...{ used: 0, limit: 0, resetAt: undefined },
    };
    const out = await lines(
      (now) => [tanksOf("gemini", now)[0], informed(tanksOf("gemini", now)[1], [zero], now, now)],
      "gemini",
    );
    // Nobody is at work, so the configuration has the say: 100 a day.
    expect(out.join("\n")).toContain("0 % used of 100");
  });
  test("a told limit below the configured one is no refusal, and one that holds less than one call is said as one", async () => {
    const one: Reading = { kind: "rate", measures: ["requests"], limit: 1, remaining: 0 };
    const out = await lines((now) => {
      const [account, model] = tanksOf("claude", now);
      return [account, informed(model, [one], now, now)];
    });
    // Nobody is at work: the configuration has the say of the rate.
    expect(out.join("\n")).not.toContain("refused");
    const page = (now: number) => {
      const [, tank] = tanksOf("claude", now);
      const seen = { tank: informed(tank, [one], now, now), configured: tank };
      return gaugesOf({ ...seen, isKept: true, drift: undefined, doubt: undefined }, now);
    };
    expect(page(Date.now())).toContainEqual(
      expect.objectContaining({
        kind: "rate",
        perMinute: 1,
        burst: 1,
        burstSource: "assumed",
        source: "told",
      }),
    );
  });
  test("a limit that is not believed is told, with what it was, for an hour", async () => {
    const doubts = (at: (now: number) => number) => (now: number) => ({
      doubts: {
        [tanksOf("claude", now)[1].name]: {
          at: at(now),
          what: "a limit of 0.0000001 requests a minute",
        },
      },
    });
    const kept = (now: number) => tanksOf("claude", now);
    const fresh = { kept, sections: doubts((now) => now - 60_000) };
    const told =
      /^ {2}not believed {4}it told a limit of 0\.0000001 requests a minute, \d+ s ago, which is left aside$/;
    for (const command of [["status", "claude"], ["list"]])
      expect((await rigs(fresh, "tank", ...command)).out).toContainEqual(expect.stringMatching(told));
    const [document = ""] = (await rigs(fresh, "tank", "status", "claude", "--json")).out;
    expect(document).toContain('"notBelieved":{"at":');
    const old = { kept, sections: doubts((now) => now - 2 * hourMs) };
    expect((await rigs(old, "tank", "status", "claude")).out.join("\n")).not.toContain("not believed");
  });
  test("a closure of a month: that no longer one is believed, and what asks before", async () => {
    const out = await lines((now) => closing("HTTP 429: wait", now + 31 * 24 * hourMs)(now));
    expect(out.at(-1)).toMatch(
      /^next: it opens by itself in .+ \(no wait of more than 31 days is believed\); to ask once before: rigs tank refresh claude --ask$/,
    );
  });
  test("a reset in the past is over: the window is whole again, with the next end", async () => {
    const out = await lines((now) => [
      informed(
        tanksOf("claude", now - 6 * hourMs)[0],
        [fiveHours(0.97, now - hourMs)],
        now - 6 * hourMs,
        now - 6 * hourMs,
      ),
    ]);
    expect(out.join("\n")).toMatch(new RegExp(`5-hour window   \\[#{20}\\] 0 % used, resumes ${time}`));
  });
  test("a clock that was set back takes the tanks with it: nobody waits for the future", async () => {
    const ahead = 24 * hourMs;
    const out = await lines(
      (now) => {
        const [account, model] = tanksOf("claude", now + ahead);
        const call = { draft: { input: 1, cachedInput: 0, output: 1, outputMax: 1 }, perMs: 1, floor: 0 };
        const drawn = [0].reduce(
          (next, index) => reserved(next, `${index}` as LeaseId, call, { now: now + ahead, leaseMs: 1_000 }),
          model,
        );
        return [account, drawn];
      },
      "claude",
      { savedAt: Date.now() + ahead },
    );
    expect(out).toContain("  as it was left while the clock was ahead of now");
    expect(out.at(-1)).toBe("a call of 8,000 tokens in and 1,000 out could begin now");
    expect(out.join("\n")).toMatch(/([6-9]|10) of 10 at once/);
  });
  test.each([
    ["cut short", '{"version":1', /is cut short or damaged/],
    ["foreign", "[]", /is not what Rigs writes there/],
    ["newer", '{"version":99}', /was written by a newer Rigs/],
  ])("a file that is %s: one line says so, and the configuration counts", async (_name, kept, why) => {
    const { code, out, err } = await rigs({ kept }, "tank", "list");
    expect(code).toBe(0);
    expect(err.join("\n")).toMatch(why);
    expect(out[0]).toMatch(/^nobody was asked yet/);
  });
  test("a file that was edited to what no tank is: that tank begins anew, in one line", async () => {
    const kept = (now: number) => {
      const [account, model] = tanksOf("claude", now);
      return [account, { ...model, slots: { ...model.slots, limit: -5 } }];
    };
    const { out, err } = await rigs({ kept }, "tank", "list");
    expect(err).toEqual([expect.stringMatching(/: what cannot be believed of 1 of its tanks begins anew$/)]);
    expect(out.join("\n")).toContain("of 1 out");
    expect(out.join("\n")).not.toContain("-5");
  });
  test("a provider that is not there, and the name of a tank", async () => {
    await expect(rigs({}, "tank", "status", "nobody")).rejects.toThrow(
      /^no provider "nobody" is configured \(configured: claude, gemini, play\)/,
    );
    const { out } = await rigs({}, "tank", "status", tanksOf("claude", 0)[1].name);
    expect(out[0]).toBe("claude  anthropic  opus  strong");
  });
});

describe("other pages", () => {
  test("rigs and rigs status say in one line what is closed, before what is low", async () => {
    const kept = (now: number) => [
      informed(tanksOf("claude", now)[0], [fiveHours(0.91, now + hourMs)], now, now),
      shut(tanksOf("gemini", now)[1], { until: Number.POSITIVE_INFINITY, why: "check the key" }, now),
    ];
    const line =
      "tanks: gemini: closed until you mend it: check the key; then: rigs tank refresh gemini; and 1 more: rigs tank list";
    expect((await rigs({ kept }, "status")).out).toContain(line);
    expect((await rigs({ kept })).out).toContain(line);
    const low = (now: number) => kept(now).slice(0, 1);
    expect((await rigs({ kept: low }, "status")).out.join("\n")).toMatch(
      new RegExp(`^tanks: claude: 5-hour window at 91 %, resumes ${time} \\(below red\\)$`, "m"),
    );
    expect((await rigs({}, "status")).out.join("\n")).not.toContain("tanks:");
  });
});
