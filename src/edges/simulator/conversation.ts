import { seedOf } from "../../kit/random.ts";
import type { Message } from "../../ports/model.ts";
import { type Feedback, feedbackIn } from "./feedback.ts";
import { blocksOf, isSolved, isTestPath, proseOf, type Sighting, sightingsIn } from "./file.ts";
import type { TaskSet } from "./taskset.ts";

/** What the model is asked, whatever wire it came on. */
export interface Asked {
  readonly system: string;
  readonly messages: readonly Message[];
  /** 0 to 2. */
  readonly temperature: number;
  readonly outputTokensMax: number;
}

/** What a request says, as far as a simulated coder cares. Found in the text; nothing is remembered between requests. */
export interface Situation {
  /** The tasks to answer; empty when none was recognised. */
  readonly sightings: readonly Sighting[];
  /** A file that is not shown but must hold a function that the shown tests import. */
  readonly missing: readonly string[];
  readonly testPath: string;
  readonly testText: string;
  /** Answers of this conversation that could be applied: rounds of repair so far. 0 = a draft, also after a fresh start. */
  readonly attempts: number;
  /** The newest such answer. */
  readonly lastAttempt: string | undefined;
  readonly feedback: Feedback;
  readonly isLong: boolean;
  /** Digest of what the draws depend on: shown code, last answer, temperature. Not of prose and headings. */
  readonly digest: string;
}

const longPromptTokens = 30_000;

/** `promptTokens`: of the whole request. */
export function situationOf(asked: Asked, taskSet: TaskSet, promptTokens: number): Situation {
  const said = asked.messages.filter(({ from }) => from === "user").map(({ text }) => text);
  const sightings = sightingsIn(taskSet, said);
  const answers = asked.messages.filter(({ from }) => from === "model").map(({ text }) => text);
  const attempts = answers.filter((answer) => isAttempt(answer, sightings));
  const tests = said.flatMap(blocksOf).filter(({ path }) => path !== undefined && isTestPath(path));
  const test = tests.findLast(({ path }) => !path?.endsWith("conftest.py"));
  const newest = asked.messages.slice(lastAnswerAt(asked.messages) + 1).map(({ text }) => text);
  const chosen = chooseTasks(sightings, said);
  return {
    sightings: chosen,
    missing: chosen.length > 0 ? [] : missingFiles(taskSet, said),
    testPath: test?.path ?? namedTest(said) ?? "test_solution.py",
    testText: test?.text ?? "",
    attempts: attempts.length,
    lastAttempt: attempts.at(-1),
    feedback: feedbackIn(newest.join("\n")),
    isLong: promptTokens > longPromptTokens,
    digest: digestOf(asked, chosen, answers.at(-1)),
  };
}

function lastAnswerAt(messages: readonly Message[]): number {
  return messages.findLastIndex(({ from }) => from === "model");
}

/**
 * Of all tasks in sight, those the request is about: the functions that its prose names, else those whose file it
 * names, else all; where it lists the only files that may be changed, of those in them. A task that is already solved
 * in the newest showing is left alone while others are not.
 */
function chooseTasks(seen: readonly Sighting[], said: readonly string[]): readonly Sighting[] {
  const prose = said.map(proseOf).join("\n");
  const areas = onlyFilesIn(prose);
  const isOurs = (path: string) =>
    areas.some((area) => (area.endsWith("/**") ? path.startsWith(area.slice(0, -2)) : path === area));
  const sightings = areas.length === 0 ? seen : seen.filter(({ path }) => isOurs(path));
  const names = (word: string) =>
    new RegExp(`(?<![\\w/-])${word.replace(/[.+]/g, "\\$&")}(?![\\w-])`).test(prose);
  const narrowed = [
    sightings.filter(({ task }) => names(task.entryPoint)),
    sightings.filter(({ path }) => names(path)),
  ].find((some) => some.length > 0);
  const about = narrowed ?? sightings;
  const open = about.filter(({ task, fileText }) => !isSolved(fileText, task));
  return open.length > 0 ? open : about;
}

/** What follows a line that ends with "only these files:", an item a line: paths, and folders as "folder/**". */
function onlyFilesIn(prose: string): readonly string[] {
  const [, list = ""] = /\bonly these files:[ \t]*\n((?:[ \t]*[-*] .*(?:\n|$)){1,200})/i.exec(prose) ?? [];
  return (list.match(/(?<=[-*] ).+/g) ?? []).map((item) => item.replaceAll("`", "").trim());
}

/** An answer with a block that names its file and is complete: what a worker can apply and run. */
function isAttempt(answer: string, sightings: readonly Sighting[]): boolean {
  const fences = answer.match(/^\s{0,3}`{3,}/gm) ?? [];
  if (fences.length < 2 || fences.length % 2 === 1) return false;
  return blocksOf(answer).some((block) => {
    if (block.path === undefined || /rest of the code unchanged/.test(block.text)) return false;
    const seen = sightings.find(({ path }) => path === block.path);
    return seen === undefined
      ? !hunkPattern.test(block.text)
      : applied(block.text, seen.fileText) !== undefined;
  });
}

/** A block as the whole file it makes of `fileText`; undefined when one of its searches is not in it. */
export function applied(blockText: string, fileText: string): string | undefined {
  if (!hunkPattern.test(blockText)) return blockText;
  let text = fileText;
  for (const [, search = "", replace = ""] of blockText.matchAll(new RegExp(hunkPattern, "gm"))) {
    if (!text.includes(search)) return undefined;
    text = text.replace(search, () => replace);
  }
  return text;
}

const hunkPattern = /^<{5,} SEARCH\n([\s\S]*?)\n={5,}\n([\s\S]*?)\n>{5,} REPLACE$/m;

function namedTest(said: readonly string[]): string | undefined {
  return said
    .join("\n")
    .match(/[\w./-]+\.py\b/g)
    ?.find((path) => isTestPath(path) && !path.includes(".."));
}

/** Modules from which a shown test imports a known function, as paths that the request names. */
function missingFiles(taskSet: TaskSet, said: readonly string[]): readonly string[] {
  const text = said.join("\n");
  const shown = new Set(said.flatMap(blocksOf).map(({ path }) => path));
  const wanted = new Set<string>();
  for (const [, module = "", names = ""] of text.matchAll(/^\s*from ([\w.]+) import ([\w, ]+)$/gm)) {
    if (!names.split(",").some((name) => taskSet.byEntryPoint.has(name.trim()))) continue;
    const tail = `${module.replace(/^\.+/, "").replaceAll(".", "/")}.py`;
    const path = (text.match(/[\w./-]+\.py\b/g) ?? []).find(
      (each) => each === tail || each.endsWith(`/${tail}`),
    );
    if (path !== undefined && !shown.has(path)) wanted.add(path);
  }
  return [...wanted].slice(0, 10);
}

function digestOf(asked: Asked, sightings: readonly Sighting[], lastAnswer: string | undefined): string {
  const shown = sightings.map(({ path, fileText }) => `${path}\n${fileText}`).join("\n");
  return seedOf(`${asked.temperature}\n${lastAnswer ?? ""}\n${shown}`).toString(36);
}
