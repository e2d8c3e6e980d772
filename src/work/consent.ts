/**
 * What only the user may allow in a change: files that run by themselves, links out of the tree, dependencies, and signs of
 * gaming the judge. Asked of what is proven, of parts that are handed over without their whole, and of every revision
 * that stands in a delivered history.
 */
import { type Goal, groundOf } from "../domain/goal.ts";
import type { Commit } from "../domain/id.ts";
import { type ConsentNeed, consentNeeded, isTestFile } from "../domain/protected.ts";
import { findSuspicions } from "../domain/suspicion.ts";
import type { Repository } from "../ports/repository.ts";
import { readTracked, textsOf } from "./files.ts";

/** The way from one commit to another. */
export interface Way {
  readonly from: Commit;
  readonly to: Commit;
}

/** One line a finding; none: nothing needs the user's word. */
export async function questionsOf(goal: Goal, way: Way, repository: Repository): Promise<readonly string[]> {
  const tests = await testsOf(goal, repository);
  const suspicions = findSuspicions({
    diff: await repository.diff(way.from, way.to),
    tests: tests.map(([path, text]) => ({ path, text })),
    goal: goal.order.text,
  });
  const needs = await needsIn(goal, way, repository, tests);
  return [
    ...needs.map((need) => `${need.path}: ${need.why} (allow it with --allow-change '${need.path}')`),
    ...suspicions,
  ];
}

/** As it is put to the person: what was found, and what is to be said yes or no to. */
export function questionIn(findings: readonly string[]): string {
  return `${findings.join("; ")}: is that what you want?`;
}

/** Paths alone, without a look at what the change says. */
export async function needsOf(goal: Goal, way: Way, repository: Repository): Promise<readonly ConsentNeed[]> {
  return needsIn(goal, way, repository, await testsOf(goal, repository));
}

type Tests = readonly (readonly [path: string, text: string])[];

/** The tests that the goal's ground has. */
async function testsOf(goal: Goal, repository: Repository): Promise<Tests> {
  const texts = textsOf(await readTracked(repository, groundOf(goal), isTestFile));
  return [...texts].filter(([path]) => isTestFile(path));
}

async function needsIn(
  { order }: Goal,
  { from, to }: Way,
  repository: Repository,
  tests: Tests,
): Promise<readonly ConsentNeed[]> {
  const changes = await repository.changes(from, to);
  const linkTargets = new Map<string, string>();
  for (const change of changes)
    if (change.after === "link")
      linkTargets.set(change.path, new TextDecoder().decode(await repository.read(to, change.path)));
  return consentNeeded(changes, {
    allowChange: order.allowChange,
    dependencies: order.allowDependencies ? "allowed" : "ask",
    linkTargets,
    tests: tests.map(([, text]) => text),
  });
}
