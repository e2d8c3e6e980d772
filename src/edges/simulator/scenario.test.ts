import { expect, test } from "vitest";
import { loadScenario, readScenario, type Scene, scriptOf } from "./scenario.ts";

const scene = (change: Partial<Scene> = {}): Scene => {
  const texts = ["Role: coder", "first", "last words"];
  const counts = { call: 1, callsBefore: 0, sinceMs: 0 };
  return { wire: "openai", model: "weak", key: "", texts, ...counts, ...change };
};

function played(rules: readonly object[], scenes: readonly Scene[]): (string | undefined)[] {
  const read = readScenario(JSON.stringify({ rules }));
  if (read.kind === "refused") throw new Error(read.why);
  const script = scriptOf(read.scenario, 1);
  return scenes.map((each) => {
    const action = script.next(each);
    return action?.kind === "say" ? action.text : action?.kind;
  });
}

const say = (text: string, rest: object = {}) => ({ ...rest, do: { kind: "say", text } });

test("rules without a condition are a script, each played once", () => {
  const rules = [say("a"), { do: { kind: "hang" } }, say("b", { times: 2 })];
  expect(
    played(
      rules,
      Array.from({ length: 5 }, () => scene()),
    ),
  ).toEqual(["a", "hang", "b", "b", undefined]);
});

test("a condition is all that it names, and what does not fit waits", () => {
  const check = (when: object, fitting: Partial<Scene>, other: Partial<Scene>) =>
    expect(played([say("yes", { when })], [scene(other), scene(fitting), scene(fitting)])).toEqual([
      undefined,
      "yes",
      undefined,
    ]);
  check({ contains: "irs" }, {}, { texts: ["x"] });
  check({ newest: "last" }, {}, { texts: ["last words", "x"] });
  check({ matches: "^Role: (coder|planner)$" }, {}, { texts: ["a Role: coder"] });
  check({ model: "weak" }, {}, { model: "strong" });
  check({ wire: "openai" }, {}, { wire: "anthropic" });
  check({ call: 3 }, { call: 3 }, { call: 2 });
  check({ key: "sk-one" }, { key: "sk-one" }, { key: "sk-two" });
  check({ afterCalls: 3 }, { callsBefore: 3 }, { callsBefore: 2 });
  check({ afterMs: 100, beforeMs: 200 }, { sinceMs: 100 }, { sinceMs: 99 });
  check({ beforeMs: 200 }, { sinceMs: 199 }, { sinceMs: 200 });
  check({ model: "weak", contains: "first" }, {}, { model: "strong" });
});

test("always is never used up", () => {
  expect(played([say("a", { times: "always" })], [scene(), scene(), scene()])).toEqual(["a", "a", "a"]);
});

test("a part of the requests is drawn by the seed, the same each time", () => {
  const rules = [say("yes", { when: { part: 0.3 }, times: "always" })];
  const scenes = Array.from({ length: 400 }, (_, call) => scene({ call: call + 1 }));
  const drawn = played(rules, scenes);
  const share = drawn.filter((text) => text === "yes").length / scenes.length;
  expect(Math.abs(share - 0.3)).toBeLessThan(0.08);
  expect(played(rules, scenes)).toEqual(drawn);
});

test("a bad file is refused with the place of the fault", async () => {
  const check = (file: unknown, why: RegExp) =>
    expect(readScenario(typeof file === "string" ? file : JSON.stringify(file))).toEqual({
      kind: "refused",
      why: expect.stringMatching(why),
    });
  check("{", /^not JSON/);
  check([], /^the file: /);
  check({ rule: [] }, /^the file: .*rule/);
  check(
    { rules: [{ do: { kind: "dance" } }] },
    /^rules\[0\]\.do\.kind: .*: say, fault, cut, break, slow or hang/,
  );
  check({ rules: [say("a"), { do: { kind: "fault", fault: "flood" } }] }, /^rules\[1\]\.do\.fault: /);
  check(
    { rules: [say("a", { when: { matches: "(" } })] },
    /^rules\[0\]\.when\.matches: not a regular expression/,
  );
  check({ accounts: [{ limits: { counting: "free" } }] }, /^accounts\[0\]\.limits\.counting: /);
  check({ accounts: [{ limits: { counting: "openai", rmp: 3 } }] }, /^accounts\[0\]\.limits: .*rmp/);
  check({ rules: [say("a", { times: 0 })] }, /^rules\[0\]\.times: /);
  // It has no size, and no end.
  expect(await loadScenario("/dev/zero")).toEqual({
    kind: "refused",
    why: "/dev/zero: more than 16777216 bytes",
  });
  expect(await loadScenario("/nowhere/play.json")).toMatchObject({
    kind: "refused",
    why: expect.stringMatching(/cannot read the scenario \/nowhere\/play\.json/),
  });
});
