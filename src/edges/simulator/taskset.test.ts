import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { exampleLines, exampleTasks, stubOf, tasksOf } from "./examples.case.ts";
import {
  blocksOf,
  functionSpan,
  isSolved,
  proseOf,
  referenceFile,
  sightingsIn,
  withFunction,
} from "./file.ts";
import { loadTaskSet, readTasks, type Task, type TaskSet } from "./taskset.ts";

let taskSet: TaskSet;
const taskNamed = (name: string) => taskSet.byEntryPoint.get(name)?.[0] as Task;
beforeAll(async () => {
  taskSet = await exampleTasks();
});

test("a bad line is named by its number", async () => {
  const [first = ""] = exampleLines.split("\n");
  const check = async (line: string, why: RegExp) => {
    const read = await readTasks(`${first}\n\n${line}\n`);
    expect(read).toMatchObject({ kind: "refused", why: expect.stringMatching(why) });
  };
  await check("{oops", /^line 3: not JSON/);
  await check("{}", /^line 3: .*task_id/);
  const task = JSON.parse(first);
  await check(JSON.stringify({ ...task, entry_point: "elsewhere" }), /^line 3: .*does not define elsewhere/);
  await check(JSON.stringify({ ...task, canonical_solution: "    return (\n" }), /^line 3: .*not Python/);
  expect(await readTasks("\n")).toMatchObject({ kind: "refused", why: expect.stringMatching(/no task/) });
  expect(await loadTaskSet("/nowhere/tasks.jsonl")).toMatchObject({
    kind: "refused",
    why: expect.stringMatching(/cannot read the task set \/nowhere\/tasks\.jsonl/),
  });
});

test("a task is recognised in any of the ways a file can be shown", () => {
  const task = taskNamed("is_leap");
  const check = (shown: string, path: string | undefined) => {
    const seen = sightingsIn(taskSet, [shown]);
    expect(seen.map((each) => each.path)).toEqual(path === undefined ? [] : [path]);
  };
  const fence = `\`\`\`python\n${stubOf(task)}\`\`\``;
  check(`a/leap.py\n${fence}`, "a/leap.py");
  check(`\`a/leap.py\`\n${fence}`, "a/leap.py");
  check(`**a/leap.py**\n${fence}`, "a/leap.py");
  check(`### a/leap.py\n${fence}`, "a/leap.py");
  check(`a/leap.py\n~~~~\n${stubOf(task)}~~~~`, "a/leap.py");
  check(`Please write leap.py:\n\n${fence}`, "leap.py");
  check(fence, "is_leap.py");
  check(`tests/test_leap.py\n${fence}`, undefined);
  check("is_leap example/is_leap", undefined);
});

test("an id in the prompt says nothing, a wrong name with the right docstring does", () => {
  const task = taskNamed("is_leap");
  const renamed = stubOf(task).replace("def is_leap(", "def isLeap(");
  expect(sightingsIn(taskSet, [`a.py\n\`\`\`\n${renamed}\`\`\``]).map((seen) => seen.task)).toEqual([task]);
  const stranger = 'def is_leap(frog):\n    """Whether it jumps."""\n';
  expect(sightingsIn(taskSet, [`${task.id}\n\na.py\n\`\`\`\n${stranger}\`\`\``])).toEqual([]);
});

test("two tasks of one name are told apart by their docstrings", async () => {
  const line = (id: string, text: string) =>
    JSON.stringify({
      task_id: id,
      prompt: `def solve(x):\n    """${text}"""\n`,
      entry_point: "solve",
      canonical_solution: `    return "${id}"\n`,
    });
  const twins = await tasksOf(
    [line("one", "Add the digits of a number."), line("two", "Reverse the words of a text.")].join("\n"),
  );
  const shown = 'a.py\n```\ndef solve(x):\n    """Reverse the words."""\n    pass\n```\n';
  expect(sightingsIn(twins, [shown]).map(({ task }) => task.id)).toEqual(["two"]);
  const signs = await tasksOf(
    [
      line("round", "Whether every ( has its ) in the text."),
      line("sharp", "Whether every < has its > in the text."),
    ].join("\n"),
  );
  for (const task of signs.tasks)
    expect(
      sightingsIn(signs, [`a.py\n\`\`\`\n${task.header}    pass\n\`\`\`\n`]).map((seen) => seen.task),
    ).toEqual([task]);
});

test("the reference takes the function's place and nothing else's", () => {
  const task = taskNamed("clamp_all");
  const file = `import os\nfrom typing import List\n\n\n${task.header}    pass\n\n\nLIMIT = 3\n\n\ndef other():\n    return 1\n`;
  const done = referenceFile(file, task);
  expect(done).toBe(
    `import os\nfrom typing import List\n\n\n${task.header}${task.body}\n\nLIMIT = 3\n\n\ndef other():\n    return 1\n`,
  );
  expect(isSolved(done, task)).toBe(true);
  expect(isSolved(file, task)).toBe(false);
  expect(referenceFile(done, task)).toBe(done);
});

test("helpers and imports of the prompt are added where the file lacks them", () => {
  const initials = taskNamed("initials");
  const bare =
    'def initials(name):\n    """The upper-case first letters of the words, each followed by a full stop."""\n';
  expect(referenceFile(bare, initials)).toContain("def first_letter(word):\n    return word[0].upper()\n");
  expect(referenceFile("", taskNamed("clamp_all"))).toMatch(/^from typing import List\n/);
});

test("what faulty answers left outside the function goes when it is made right", () => {
  for (const task of taskSet.tasks)
    for (const mutant of task.mutants()) {
      const faulty = withFunction(stubOf(task), task, mutant);
      expect(isSolved(faulty, task)).toBe(false);
      expect(referenceFile(faulty, task).trim()).toBe((task.before + task.header + task.body).trim());
    }
});

test("a function ends where the next statement starts, whatever its docstring holds", () => {
  const task = taskNamed("is_leap");
  const text =
    'x = 1\ndef is_leap(\n    year,\n) -> bool:\n    """First.\nat column 0\n"""\n    return 1\n\n# after\ny = 2\n';
  const span = functionSpan(text, task);
  expect(span && text.slice(span.start, span.end)).toBe(
    'def is_leap(\n    year,\n) -> bool:\n    """First.\nat column 0\n"""\n    return 1\n',
  );
});

test("no text breaks the reader of blocks, and prose has no fenced text", () => {
  const part = fc.constantFrom("```", "````python", "~~~", "a.py", "### b/c.py", "x = 1", "", "`d.py`", "\r");
  fc.assert(
    fc.property(fc.array(part, { maxLength: 30 }), (lines) => {
      const text = lines.join("\n");
      const blocks = blocksOf(text);
      expect(blocks.every(({ text: content }) => content === "" || content.endsWith("\n"))).toBe(true);
      expect(sightingsIn(taskSet, [text])).toEqual([]);
      expect(proseOf(text).length).toBeLessThanOrEqual(text.length + blocks.length + 1);
    }),
  );
  expect(proseOf("before\n```py\ninside\n```\nafter")).toMatch(/before\s+after/);
});
