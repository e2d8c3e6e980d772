import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { assignmentOf } from "../../domain/bead.ts";
import { seeded } from "../../kit/random.ts";
import { cheatFiles, cheatKinds } from "./cheat.ts";
import { applied } from "./conversation.ts";
import { envelopeFaults, envelopeRates, letter } from "./envelope.ts";
import {
  draftOf,
  draftText,
  exampleTasks,
  manyTasks,
  pathOf,
  requestOf,
  stubOf,
  testOf,
} from "./examples.case.ts";
import { feedbackIn } from "./feedback.ts";
import { blocksOf, isSolved } from "./file.ts";
import { simulatedModel } from "./model.ts";
import { answer, type Request, requestKey } from "./noise.ts";
import { firstChance, type Profile, profileNames, profileOf, repairChance } from "./profile.ts";
import { loadPython } from "./python.ts";
import type { Task, TaskSet } from "./taskset.ts";

let examples: TaskSet;
let many: TaskSet;
beforeAll(async () => {
  examples = await exampleTasks();
  many = await manyTasks(600);
});

const known = (name: string, settings = {}): Profile => {
  const profile = profileOf(name, settings);
  if (profile === undefined) throw new Error(`no profile ${name}`);
  return profile;
};
/** Honest work in a faultless envelope, so that only right and wrong are drawn. */
const bare = (name: string): Profile => {
  const profile = known(name);
  return profile.behaviour.kind === "noisy"
    ? { ...profile, behaviour: { ...profile.behaviour, envelope: 0 } }
    : profile;
};
const isRight = (request: Request, taskSet: TaskSet, profile: Profile, seed = 1): boolean =>
  answer(request, taskSet, profile, seed).truths.every(({ kind }) => kind === "right");
const share = (tasks: readonly Task[], holds: (task: Task) => boolean): number =>
  tasks.filter(holds).length / tasks.length;

const fullFeedback = `test_count_runs_0 failed
E       AssertionError: assert 3 == 4
Expected 4, got 3.`;
const tailFeedback = "Process exited with code 1";
const noFeedback = "Please look at it once more.";

/** A conversation of wrong answers, each followed by what the user says about it. */
function repairOf(task: Task, said: readonly string[], rest: Partial<Request> = {}): Request {
  const wrong = (round: number) =>
    `${pathOf(task)}\n\`\`\`python\n${task.before}${task.header}    return ${-round}\n\`\`\`\n`;
  return requestOf([draftText(task), ...said.flatMap((text, round) => [wrong(round + 1), text])], rest);
}

test("first answers are right as often as measured, over many tasks and seeds", () => {
  const shareOf = (name: string, seed: number) =>
    share(many.tasks, (task) => isRight(draftOf(task), many, known(name), seed));
  const check = (name: string, rate: number) => {
    const mean = (shareOf(name, 1) + shareOf(name, 2)) / 2;
    expect(Math.abs(mean - rate), `${name}: ${mean}`).toBeLessThan(0.035);
  };
  check("weak", 0.1);
  check("median", 0.21);
  check("strong", 0.45);
  check("never-fixes", 0.21);
  // Nothing is drawn of these.
  expect(["perfect", "stub-only", "cheater"].map((name) => shareOf(name, 1))).toEqual([1, 0, 0]);
});

test("the average over difficulties is the measured rate, by calculation", () => {
  fc.assert(
    fc.property(fc.double({ min: 0.02, max: 0.98, noNaN: true }), (rate) => {
      let sum = 0;
      let weights = 0;
      for (let z = -6; z <= 6; z += 0.02) {
        const weight = Math.exp((-z * z) / 2);
        sum += weight * firstChance(rate, z);
        weights += weight;
      }
      expect(sum / weights).toBeCloseTo(rate, 3);
      expect(firstChance(rate, -1)).toBeGreaterThan(firstChance(rate, 1));
    }),
    { numRuns: 20 },
  );
});

test("failures on a task go together: a retry after a failure succeeds less often than a first try", () => {
  const profile = bare("strong");
  const draws = many.tasks.map((task) =>
    Array.from({ length: 6 }, (_, sample) =>
      isRight(draftOf(task, { temperature: 0.8, sample }), many, profile),
    ),
  );
  const all = draws.flat().filter(Boolean).length / draws.flat().length;
  const retries = draws.filter(([first]) => !first).flatMap(([, ...rest]) => rest);
  const afterFailure = retries.filter(Boolean).length / retries.length;
  expect(Math.abs(all - 0.45)).toBeLessThan(0.05);
  expect(afterFailure).toBeGreaterThan(0.1);
  expect(afterFailure).toBeLessThan(all - 0.12);
});

test("a difficult task is difficult for every model", () => {
  const solvedBy = (name: string) =>
    new Set(many.tasks.filter((task) => isRight(draftOf(task), many, bare(name))));
  const strong = solvedBy("strong");
  const both = share([...solvedBy("median")], (task) => strong.has(task));
  expect(both).toBeGreaterThan(strong.size / many.tasks.length + 0.15);
});

test("the same request, profile and seed give the same answer; another of them gives another", () => {
  const [task] = examples.tasks;
  if (task === undefined) throw new Error("no example");
  const texts = (name: string, seed: number, rest: Partial<Request> = {}) =>
    examples.tasks.map((each) => answer(draftOf(each, rest), examples, known(name), seed).text);
  expect(texts("weak", 7)).toEqual(texts("weak", 7));
  expect(texts("weak", 8)).not.toEqual(texts("weak", 7));
  expect(texts("median", 7)).not.toEqual(texts("weak", 7));
  expect(texts("weak", 7, { sample: 1 })).not.toEqual(texts("weak", 7));
  expect(texts("weak", 7, { temperature: 0.9 })).not.toEqual(texts("weak", 7));
  expect(texts("weak", 7, { temperature: 0, sample: 1 })).toEqual(texts("weak", 7, { temperature: 0 }));
});

test("a repair is worth what the feedback says: values beat a tail, a tail beats nothing", () => {
  const profile = bare("median");
  const mended = (text: string) =>
    share(many.tasks, (task) => isRight(repairOf(task, [text]), many, profile));
  const [full, tail, none] = [mended(fullFeedback), mended(tailFeedback), mended(noFeedback)];
  // An assertion is repaired .45 where the average failure is .53; the median model mends .39 of the average.
  const expected = (0.45 * 0.39) / 0.532;
  expect(Math.abs(full - expected)).toBeLessThan(0.06);
  expect(Math.abs(tail - expected / 2)).toBeLessThan(0.05);
  expect(Math.abs(none - expected / 5)).toBeLessThan(0.04);
});

test("headings are nothing: other words around the same content change no answer", () => {
  const wordings = [
    `## Failing test\ntest_a_0\n\n## Expected\n4\n\n## Got\n3\n`,
    `The check test_a_0 is red.\nIt should return 4 but actually came out as 3.\n`,
    `FAILED tests/test_a.py::test_a_0\nE   assert 3 == 4\n`,
    `<<RESULT>> test_a_0: wanted 4, received 3`,
    "AssertionError: 3 != 4 (in test_a_0)",
  ];
  for (const wording of wordings)
    expect(feedbackIn(wording), wording).toEqual({ factor: 1, mends: "assertion" });
  const said = (wording: string) =>
    many.tasks.slice(0, 60).map((task) => answer(repairOf(task, [wording]), many, known("strong"), 1).text);
  const [first, ...others] = wordings.map(said);
  for (const other of others) expect(other).toEqual(first);
});

test("feedback is read for what it shows", () => {
  const check = (text: string, factor: number, mends: string) =>
    expect(feedbackIn(text), text).toEqual({ factor, mends });
  check("test_x failed: NameError: name 'y' is not defined", 1, "name");
  check("tests/test_x.py:1: ModuleNotFoundError: No module named 'fast'", 1, "import");
  check("test/cart.test.mjs > adds\nexpected: 3\ngot: 2", 1, "assertion");
  check("First failing test: src/cart.js > cart > adds\n  2 !== 3", 1, "assertion");
  check('it("adds")\nAssertionError [ERR_ASSERTION]: Expected values to be equal', 1, "assertion");
  check("a.test.ts\nSyntaxError: Unexpected token ';'", 1, "syntax");
  check("a.spec.js\nError [ERR_MODULE_NOT_FOUND]: Cannot find module './b.js'", 1, "import");
  check("a.test.js > adds\nTypeError: add is not a function", 1, "name");
  check("if (a.length !== 3) return b;", 0.2, "assertion");
  check('  File "a.py", line 3\nSyntaxError: invalid syntax\nwhile collecting test_x', 1, "syntax");
  check("test_x timed out after 30 s", 1, "timeout");
  check("AssertionError: assert 3 == 4", 0.5, "assertion");
  check("test_x is red", 0.5, "assertion");
  check("1 failed in 0.03s", 0.5, "assertion");
  check("## Failing test\n## Expected\n## Got\n", 0.5, "assertion");
  check("def test_x():\n    assert f(1) == 2\n    # see above", 0.5, "assertion");
  check("It does not do what I want.", 0.2, "assertion");
  check("", 0.2, "assertion");
});

test("repairs decay in one conversation and a fresh start is a first try again", () => {
  const profile = bare("strong");
  const mended = (rounds: number) =>
    share(many.tasks, (task) =>
      isRight(
        repairOf(
          task,
          Array.from({ length: rounds }, () => fullFeedback),
        ),
        many,
        profile,
      ),
    );
  const [first, second, third] = [mended(1), mended(2), mended(3)];
  expect(Math.abs(second - first / 2)).toBeLessThan(0.06);
  expect(Math.abs(third - first / 4)).toBeLessThan(0.05);
  const fresh = share(many.tasks, (task) => isRight(draftOf(task, { temperature: 0.7 }), many, profile));
  expect(Math.abs(fresh - 0.45)).toBeLessThan(0.06);
});

test("the chance of a repair: every factor pulls the right way and none leaves 0 to 1", () => {
  const { behaviour } = known("strong");
  if (behaviour.kind !== "noisy") throw new Error("strong is honest");
  const chance = (change: Partial<Parameters<typeof repairChance>[1]>) =>
    repairChance(behaviour, { mends: "assertion", round: 1, factor: 1, isLong: false, ...change });
  expect(chance({ isLong: true })).toBeCloseTo(chance({}) * 0.6);
  expect(chance({ round: 3 })).toBeCloseTo(chance({}) / 4);
  expect(chance({ factor: 0.2 })).toBeCloseTo(chance({}) / 5);
  expect(chance({ mends: "syntax" })).toBeGreaterThan(chance({ mends: "name" }));
  expect(chance({ mends: "timeout" })).toBeLessThan(chance({}));
  for (const mends of ["syntax", "import", "name", "assertion", "timeout"] as const)
    expect(chance({ mends })).toBeLessThanOrEqual(1);
});

test("a prompt above 30,000 tokens makes repairs rarer", () => {
  const some = many.tasks.slice(0, 100);
  const padding = "number line word ".repeat(12_000);
  const profile = bare("strong");
  const mended = (text: string) => share(some, (task) => isRight(repairOf(task, [text]), many, profile));
  expect(mended(`${fullFeedback}\n${padding}`)).toBeLessThan(mended(fullFeedback) - 0.08);
});

test("what was right stays right, whatever is said about it", () => {
  for (const task of examples.tasks) {
    const right = answer(draftOf(task), examples, known("perfect"), 1).text;
    const request = requestOf([draftText(task), right, "tests/test_x.py::test_x failed: assert 1 == 2"]);
    expect(answer(request, examples, known("weak"), 1).truths).toEqual([{ task: task.id, kind: "right" }]);
  }
});

test("never-fixes never fixes, nor does starting again help it", () => {
  const profile = known("never-fixes");
  for (const task of many.tasks.slice(0, 80)) {
    const first = isRight(draftOf(task), many, profile);
    expect(isRight(repairOf(task, [fullFeedback]), many, profile)).toBe(first);
    expect(isRight(draftOf(task, { temperature: 0.7, sample: 2 }), many, profile)).toBe(first);
  }
});

test("an answer about one task does not change with the requests around it", async () => {
  const clock = { now: () => 0, sleep: async () => undefined };
  const model = () =>
    simulatedModel({ provider: "simulated", taskSet: examples, profile: known("weak"), seed: 3, clock });
  const ask = async (asked: ReturnType<typeof model>, task: Task) => {
    const prompt = { ...draftOf(task), role: "coder" as const };
    const reply = await asked.ask(prompt, new AbortController().signal);
    return reply.kind === "said" ? reply.text : "";
  };
  const [one, two] = examples.tasks;
  if (one === undefined || two === undefined) throw new Error("two examples are needed");
  const alone = model();
  const crowded = model();
  const wanted = [await ask(alone, one), await ask(alone, one)];
  const [first] = await Promise.all([ask(crowded, one), ask(crowded, two), ask(crowded, two)]);
  expect([first, await ask(crowded, one)]).toEqual(wanted);
  expect(requestKey(draftOf(one), examples)).not.toBe(requestKey(draftOf(two), examples));
});

test("several tasks are answered in one letter; those already done are left alone", () => {
  const [one, two, three] = examples.tasks as [Task, Task, Task];
  const solved = `${pathOf(three)}\n\`\`\`python\n${three.header}${three.body}\`\`\`\n`;
  const request = requestOf([`${draftText(one)}\n${draftText(two)}\n${solved}`]);
  const said = answer(request, examples, known("perfect"), 1);
  expect(blocksOf(said.text).map(({ path }) => path)).toEqual([pathOf(one), pathOf(two)]);
  expect(said.truths.map(({ task }) => task)).toEqual([one.id, two.id]);
  const named = requestOf([`Write ${two.entryPoint}.\n${draftText(one)}\n${draftText(two)}`]);
  expect(answer(named, examples, known("perfect"), 1).truths.map(({ task }) => task)).toEqual([two.id]);
});

test("a long file is changed by a block whose search is in it once", () => {
  const [task] = examples.tasks as [Task];
  const long = `${"# filler\n".repeat(120)}${stubOf(task)}\n\n${"# more\n".repeat(120)}`;
  const request = requestOf([`${pathOf(task)}\n\`\`\`python\n${long}\`\`\`\n`]);
  const [block] = blocksOf(answer(request, examples, known("perfect"), 1).text);
  expect(block?.text).toMatch(/^<<<<<<< SEARCH\n[\s\S]+\n=======\n[\s\S]+\n>>>>>>> REPLACE\n$/);
  const search = /^<<<<<<< SEARCH\n([\s\S]+)\n=======\n/.exec(block?.text ?? "")?.[1] ?? "";
  expect(long.split(search)).toHaveLength(2);
  expect(isSolved(applied(block?.text ?? "", long) ?? "", task)).toBe(true);
});

test("a file that is not shown is asked for", () => {
  const [task] = examples.tasks as [Task];
  const tree = `Files:\n${pathOf(task)}\ntests/test_a.py\n`;
  const request = requestOf([`${tree}\ntests/test_a.py\n\`\`\`python\n${testOf(task)}\`\`\`\n`]);
  expect(answer(request, examples, known("perfect"), 1).text).toBe(
    `\`\`\`json\n${JSON.stringify({ read: [pathOf(task)] })}\n\`\`\`\n`,
  );
  expect(answer(requestOf(["Hello"]), examples, known("perfect"), 1)).toMatchObject({ truths: [] });
});

test("faults of the envelope come as often as measured, three times as often for a search in a long file", () => {
  const random = seeded(5);
  const rate = (fault: keyof typeof envelopeRates, before: string) => {
    const runs = 6_000;
    let hits = 0;
    for (let run = 0; run < runs; run++)
      if (envelopeFaults([{ path: "a.py", text: "", before }], 1, random).has(fault)) hits++;
    return hits / runs;
  };
  for (const [fault, expected] of Object.entries(envelopeRates))
    expect(Math.abs(rate(fault as keyof typeof envelopeRates, "x = 1\n") - expected)).toBeLessThan(0.02);
  expect(Math.abs(rate("unmatched-search", "x = 1\n".repeat(300)) - 0.18)).toBeLessThan(0.03);
});

test("each fault of the envelope looks as it is called", () => {
  const [task] = examples.tasks as [Task];
  const file = { path: "a.py", text: `${task.before}${task.header}${task.body}`, before: stubOf(task) };
  const write = (...faults: (keyof typeof envelopeRates)[]) => letter([file], new Set(faults), seeded(1));
  expect(write()).toEqual({ text: `a.py\n\`\`\`python\n${file.text}\`\`\`\n`, finish: "stop" });
  expect(blocksOf(write("prose").text)).toEqual(blocksOf(write().text));
  expect(write("empty").text).toBe("");
  expect(write("refusal").text).not.toContain("```");
  expect(write("truncated")).toMatchObject({ finish: "length" });
  expect(blocksOf(write("missing-path").text)[0]?.path).toBeUndefined();
  expect(blocksOf(write("wrong-language").text)[0]?.language).not.toBe("python");
  expect(JSON.parse(blocksOf(write("code-in-json").text)[0]?.text ?? "")).toEqual({
    files: [{ path: "a.py", content: file.text }],
  });
  expect(blocksOf(write("two-alternatives").text)).toHaveLength(2);
  expect(write("lazy").text).toContain("rest of the code unchanged");
  expect(write("carriage-returns-or-tabs").text).toMatch(/\r\n|\t/);
  const search = /SEARCH\n([\s\S]+?)\n=======/.exec(write("unmatched-search").text)?.[1] ?? "";
  expect(file.before).not.toContain(search);
});

test("always-malformed leaves nothing that could be applied and work", () => {
  for (const task of examples.tasks)
    for (let sample = 0; sample < 12; sample++) {
      const said = answer(draftOf(task, { sample }), examples, known("always-malformed"), 1);
      const whole = blocksOf(said.text).filter(({ path }) => path === pathOf(task));
      const results = whole.map(({ text }) => applied(text, stubOf(task)));
      const isHopeless = results.every(
        (text) => text === undefined || /rest of the code unchanged/.test(text),
      );
      expect(said.finish === "length" || isHopeless, said.text).toBe(true);
      expect(said.text).not.toContain(task.body);
    }
});

test("every cheat is there, parses, and leaves the work undone", async () => {
  const withPython = await loadPython();
  for (const task of examples.tasks)
    for (const kind of cheatKinds) {
      const scene = {
        taskSet: examples,
        task,
        path: pathOf(task),
        fileText: stubOf(task),
        testPath: "tests/test_it.py",
        testText: testOf(task),
      };
      const files = cheatFiles(kind, scene);
      expect(files[0]?.text, kind).not.toContain(task.body);
      for (const file of files.filter(({ path }) => path.endsWith(".py")))
        expect(
          withPython(file.text, (root) => root.hasError),
          `${kind}\n${file.text}`,
        ).toBe(false);
    }
  const drawn = examples.tasks.flatMap((task) =>
    Array.from({ length: 40 }, (_, sample) =>
      answer(draftOf(task, { sample }), examples, known("cheater"), 1),
    ),
  );
  const kinds = drawn.flatMap(({ truths }) =>
    truths.map((truth) => (truth.kind === "cheat" ? truth.cheat : "")),
  );
  expect([...new Set(kinds)].sort()).toEqual([...cheatKinds].sort());
});

test("special-casing names the very inputs that the visible tests use", () => {
  const task = examples.byEntryPoint.get("is_leap")?.[0] as Task;
  const said = answer(draftOf(task), examples, known("cheater:special-case"), 1).text;
  expect(said).toContain("    if (year,) == (1900,):\n        return False\n");
});

test("a part of a larger work writes the files it may change, whatever else the whole names", () => {
  const [one, two, three] = examples.tasks as [Task, Task, Task];
  const whole = `Complete ${one.entryPoint}, ${two.entryPoint} and ${three.entryPoint}.`;
  const written = (owns: readonly string[]) => {
    const contract = {
      name: undefined,
      owns,
      reads: [],
      exports: [],
      behaviours: ["it works"],
      checks: [],
      budget: undefined,
    };
    const part = assignmentOf(whole, { ...contract, intent: `Complete ${one.entryPoint}.` });
    const files = [one, two, three].map(draftText).join("\n\n");
    const said = answer(requestOf([`${part}\n\n${files}`]), examples, known("perfect"), 1);
    return blocksOf(said.text).map(({ path }) => path);
  };
  expect(written([pathOf(one)])).toEqual([pathOf(one)]);
  expect(written(["shop/**"])).toEqual([one, two, three].map(pathOf));
  expect(written(["elsewhere.py"])).toEqual([]);
});

test("garbage goes on for ever: it fills whatever room the answer has", () => {
  const [task] = examples.tasks as [Task];
  const said = answer(draftOf(task, { outputTokensMax: 300 }), examples, known("garbage"), 1);
  expect(said.finish).toBe("length");
  expect(said.text.length).toBeGreaterThan(300);
});

test("an answer never exceeds its bound", () => {
  for (const name of profileNames)
    for (const task of examples.tasks) {
      const said = answer(draftOf(task, { outputTokensMax: 20 }), examples, known(name), 1);
      expect(said.text.length).toBeLessThan(200);
      if (said.text.length > 100) expect(said.finish).toBe("length");
    }
});

test("names that nobody knows are no profiles", () => {
  for (const name of ["", "perfect:edit-tests", "cheater:", "cheater:nothing", "toString"])
    expect(profileOf(name)).toBeUndefined();
  expect(profileOf("cheater:edit-tests")?.behaviour).toEqual({ kind: "cheater", cheat: "edit-tests" });
  expect(profileOf("weak", { contextTokensMax: 4_096 })).toMatchObject({
    name: "weak",
    contextTokensMax: 4_096,
  });
});
