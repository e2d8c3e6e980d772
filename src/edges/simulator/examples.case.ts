/** A small task set of our own, and requests about it as a worker would write them. */
import type { Message } from "../../ports/model.ts";
import type { Request } from "./noise.ts";
import { readTasks, type Task, type TaskSet } from "./taskset.ts";

interface Example {
  readonly name: string;
  readonly before?: string;
  readonly header: string;
  readonly body: string;
  readonly cases: readonly string[];
}

const examples: readonly Example[] = [
  {
    name: "clamp_all",
    before: "from typing import List\n\n\n",
    header:
      'def clamp_all(values: List[int], low: int, high: int) -> List[int]:\n    """Bring every value into the range from low to high, both included.\n    >>> clamp_all([1, 9], 2, 8)\n    [2, 8]\n    """\n',
    body: "    result = []\n    for value in values:\n        if value < low:\n            result.append(low)\n        elif value > high:\n            result.append(high)\n        else:\n            result.append(value)\n    return result\n",
    cases: [
      "clamp_all([1, 9, 5], 2, 8) == [2, 8, 5]",
      "clamp_all([], 0, 1) == []",
      "clamp_all([3], 3, 3) == [3]",
    ],
  },
  {
    name: "count_runs",
    header:
      'def count_runs(text):\n    """How many stretches of one repeated character the text has; none for an empty text."""\n',
    body: "    if not text:\n        return 0\n    runs = 1\n    for index in range(1, len(text)):\n        if text[index] != text[index - 1]:\n            runs += 1\n    return runs\n",
    cases: [
      'count_runs("aabca") == 4',
      'count_runs("") == 0',
      'count_runs("zz") == 1',
      'count_runs("ab") == 2',
    ],
  },
  {
    name: "merge_spans",
    header:
      'def merge_spans(spans):\n    """Join overlapping or touching (start, end) pairs and return them in order of their start."""\n',
    body: "    merged = []\n    for start, end in sorted(spans):\n        if merged and start <= merged[-1][1]:\n            merged[-1] = (merged[-1][0], max(merged[-1][1], end))\n        else:\n            merged.append((start, end))\n    return merged\n",
    cases: [
      "merge_spans([(5, 7), (1, 3), (2, 4)]) == [(1, 4), (5, 7)]",
      "merge_spans([(1, 2), (2, 3)]) == [(1, 3)]",
      "merge_spans([(1, 9), (2, 3)]) == [(1, 9)]",
    ],
  },
  {
    name: "is_leap",
    header:
      'def is_leap(year: int) -> bool:\n    """Whether the year has 366 days in the Gregorian calendar."""\n',
    body: "    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)\n",
    cases: [
      "is_leap(2024) == True",
      "is_leap(1900) == False",
      "is_leap(2000) == True",
      "is_leap(2023) == False",
    ],
  },
  {
    name: "initials",
    before: "def first_letter(word):\n    return word[0].upper()\n\n\n",
    header:
      'def initials(name):\n    """The upper-case first letters of the words, each followed by a full stop."""\n',
    body: '    return "".join(first_letter(word) + "." for word in name.split())\n',
    cases: ['initials("ada lovelace") == "A.L."', 'initials("") == ""', 'initials("grace") == "G."'],
  },
  {
    name: "weighted_sum",
    header:
      'def weighted_sum(values, weights):\n    """Sum of each value times its weight; raises ValueError when the lengths differ."""\n',
    body: '    if len(values) != len(weights):\n        raise ValueError("lengths differ")\n    total = 0\n    for value, weight in zip(values, weights):\n        total += value * weight\n    return total\n',
    cases: [
      "weighted_sum([1, 2], [3, 4]) == 11",
      "weighted_sum([], []) == 0",
      "weighted_sum([5], [2]) == 10",
    ],
  },
];

function lineOf({ name, before = "", header, body, cases }: Example): object {
  const test = `def check(candidate):\n${cases.map((each) => `    assert ${each.replace(name, "candidate")}\n`).join("")}`;
  return {
    task_id: `example/${name}`,
    prompt: before + header,
    entry_point: name,
    canonical_solution: body,
    test,
  };
}

export const exampleLines: string = examples.map((example) => JSON.stringify(lineOf(example))).join("\n");

export async function exampleTasks(): Promise<TaskSet> {
  return tasksOf(exampleLines);
}

export async function tasksOf(lines: string): Promise<TaskSet> {
  const read = await readTasks(lines);
  if (read.kind === "refused") throw new Error(read.why);
  return read.taskSet;
}

/** The same few functions under many ids: chance is drawn by id, so this is many tasks of different difficulty. */
export async function manyTasks(count: number): Promise<TaskSet> {
  const lines = Array.from({ length: count }, (_, index) => {
    const name = `count_runs_${index}`;
    const example = examples[1] as Example;
    const renamed = { ...example, name, header: example.header.replace("count_runs", name) };
    return JSON.stringify(lineOf(renamed));
  });
  return tasksOf(lines.join("\n"));
}

/** The file as a user's repository has it before the work: everything but the body. */
export function stubOf(task: Task): string {
  return `${task.before}${task.header}    pass\n`;
}

export function testOf(task: Task): string {
  const checks = task.test.replaceAll("candidate(", `${task.entryPoint}(`).match(/assert .*/g) ?? [];
  const tests = checks.map((check, index) => `def test_${task.entryPoint}_${index}():\n    ${check}\n`);
  return `from shop.${task.entryPoint} import ${task.entryPoint}\n\n\n${tests.join("\n\n")}`;
}

export function pathOf(task: Task): string {
  return `shop/${task.entryPoint}.py`;
}

/** A first message: the goal, the file, its tests. */
export function draftText(task: Task): string {
  const file = `${pathOf(task)}\n\`\`\`python\n${stubOf(task)}\`\`\``;
  const tests = `tests/test_${task.entryPoint}.py\n\`\`\`python\n${testOf(task)}\`\`\``;
  return `Make the tests pass.\n\n${file}\n\n${tests}\n`;
}

export function requestOf(texts: readonly string[], rest: Partial<Request> = {}): Request {
  const messages: Message[] = texts.map((text, index) => ({
    from: index % 2 === 0 ? "user" : "model",
    text,
  }));
  return {
    system: "Role: coder\nYou write code.",
    messages,
    temperature: 0.2,
    outputTokensMax: 8_000,
    sample: 0,
    ...rest,
  };
}

/** A draft for one task. */
export function draftOf(task: Task, rest: Partial<Request> = {}): Request {
  return requestOf([draftText(task)], rest);
}
