/**
 * The test-writer's turn: a goal without a check has its acceptance tests written before anything else.
 *
 * 1. What is asked and what comes next follow from the trail, so a killed test-writer goes on where it was.
 * 2. Tests count only as the suite gate saw them: run twice on the goal's ground, red for the right reason, the same both times.
 * 3. They stand in one append under the lease. After the last answer the work goes on without, or is parked where nothing could judge it.
 */
import { parseAnswer } from "../domain/answer.ts";
import { whyUnjudged } from "../domain/decision.ts";
import type { Check, GateRun } from "../domain/gate.ts";
import type { Goal, Order } from "../domain/goal.ts";
import type { BeadId, BlobHash, CallId, Commit } from "../domain/id.ts";
import type { Move } from "../domain/move.ts";
import { isProtected } from "../domain/protected.ts";
import { provenanceFaults } from "../domain/provenance.ts";
import { type Ground, rednessOf, unsteady } from "../domain/redness.ts";
import { findSecrets } from "../domain/secrets.ts";
import { checkOf, type Suite, suitesFor, suiteTimeoutMs } from "../domain/suite.ts";
import { readTests, testAnswersMax, testsPrompt, testTurn } from "../domain/testing.ts";
import { entriesOf, turnMove } from "../domain/turn.ts";
import { assert, present } from "../kit/assert.ts";
import type { Message } from "../ports/model.ts";
import { type Repository, RepositoryError, type Revised } from "../ports/repository.ts";
import type { NewEvent } from "../ports/store.ts";
import { namedIn, readTracked, textsOf } from "./files.ts";
import { despiteLosses } from "./losses.ts";
import { parked, type Scene } from "./scene.ts";
import { enclosureOf, trialOf } from "./survey.ts";

/** Whether the bead is a whole goal that waits for tests. */
function lacksTests({ goal, bead, attempt }: Scene): boolean {
  return (
    goal.order.acceptance === "model" &&
    goal.tests === undefined &&
    goal.head === undefined &&
    bead.parent === undefined &&
    !bead.isParent &&
    attempt.base === undefined
  );
}

/** What the turn does next; undefined where it is over and the work goes on, with tests or without. */
export async function testingMove(scene: Scene): Promise<Move | undefined> {
  if (!lacksTests(scene)) return undefined;
  const { goal, attempt, tools } = scene;
  const move = turnMove(attempt.trail, testTurn, tools.policy);
  if (move !== undefined && move.kind !== "ask") return move;
  const suite = move === undefined ? undefined : await suiteOf(scene);
  if (move !== undefined && suite !== undefined) return move;
  const unjudged = whyUnjudged("none", goal.base ?? []);
  const without =
    suite === undefined && move !== undefined
      ? "no test runner that is known is there, so no model can write tests"
      : `no tests after ${testAnswersMax} answers`;
  if (unjudged !== undefined)
    return { kind: "park", cause: "input", why: `${without}, and ${unjudged}`, best: undefined };
  if (move !== undefined && attempt.trail.length === 0)
    tools.watch({ kind: "note", goal: goal.id, text: `${without}: the best verdict is no-regression` });
  return undefined;
}

interface Question {
  readonly system: string;
  readonly messages: readonly Message[];
  readonly temperature: number;
}

/** What the test-writer is asked now, rebuilt from the trail. */
export async function composeTestsQuestion(
  scene: Scene,
  limits: { readonly contextTokensMax: number },
): Promise<Question> {
  const { goal, attempt, tools, site } = scene;
  const { order } = goal;
  const refused: { answer: string; faults: string }[] = [];
  let answer: BlobHash | undefined;
  for (const entry of entriesOf(attempt.trail, testTurn)) {
    if (entry.kind === "answered") answer = entry.answer;
    if (entry.kind === "rejected" && answer !== undefined)
      refused.push({ answer: await textOf(scene, answer), faults: entry.detail });
  }
  const files = await readTracked(site.repository, order.base, namedIn(order.text));
  const known = new Set(files.keys());
  const prompt = testsPrompt({
    goal: order.text,
    suite: present(await suiteOf(scene), "a runner was found before the question"),
    readOnly: new Set([...known].filter((path) => isOffLimits(order, path, known))),
    files,
    refused,
    size: tools.size,
    contextTokensMax: Math.min(tools.contextTokensMax, limits.contextTokensMax),
  });
  return { ...prompt, temperature: refused.length === 0 ? 0.2 : 0.7 };
}

function isOffLimits({ protect, allowChange }: Order, path: string, known: ReadonlySet<string>): boolean {
  return isProtected(path, { protect, allowChange, existsOnBase: known.has(path) });
}

/** The first runner that is there. What a probe did on base is kept, so it is looked for once. */
async function suiteOf({ goal, site, tools, signal }: Scene): Promise<Suite | undefined> {
  const { base, text } = goal.order;
  const files = await readTracked(site.repository, base, namedIn(text));
  const { verifier } = await tools.enclosure(enclosureOf(goal));
  for (const suite of suitesFor({ files, goal: text, base: goal.base ?? [] })) {
    if (suite.probe === undefined) return suite;
    const trial = trialOf(goal, site, { commit: base, base, checks: [probeOf(suite.probe)] });
    const { result: runs } = await despiteLosses(goal.id, () => verifier.run(trial, signal));
    if (runs.every((run) => run.kind === "counted" && run.exitCode === 0)) return suite;
  }
  return undefined;
}

function probeOf(command: string): Check {
  return {
    ...{ name: "runner", command, cwd: ".", role: "guard", timeoutMs: suiteTimeoutMs },
    report: { kind: "exit-code" },
  };
}

/** From an answer to frozen tests; or to the faults it goes back with. */
export async function takeTests(
  scene: Scene,
  move: Extract<Move, { kind: "take" }>,
): Promise<"over" | "goes-on"> {
  const { goal, attempt, tools, site, lease } = scene;
  const { order } = goal;
  const paths = (await site.repository.list(order.base)).map(({ path }) => path);
  const suite = present(await suiteOf(scene), "a runner was found before the question");
  const last = attempt.trail.findLast((entry) => entry.kind === "answered");
  const known = new Set(paths);
  const answer = readTests(await textOf(scene, move.answer), last?.finish ?? "stop", {
    suite,
    paths: known,
    isProtected: (path) => isOffLimits(order, path, known),
  });
  if (answer.kind === "faulty") return reject(scene, move, answer.faults);
  const texts = [...answer.files].flat();
  if (texts.some((text) => findSecrets(text, tools.secrets).length > 0)) {
    const reason = "the answer holds one of your secrets, so it was not kept";
    await scene.append(parked(lease, goal.id, { cause: "work", reason, best: undefined }));
    return "over";
  }
  const written = await writeTests(goal, lease.bead, answer.files, site.repository);
  if (written instanceof RepositoryError) return reject(scene, move, [written.message]);
  const files = [...answer.files.keys()];
  const check = checkOf(suite, files);
  const ground = { paths, tests: files, goal: order.text };
  const seen = await gate(scene, check, { commit: written.commit, ground });
  const faults = [...(seen.kind === "faulty" ? seen.faults : []), ...(await readFaults(scene, answer.files))];
  if (seen.kind === "faulty" || faults.length > 0) return reject(scene, move, faults, seen.losses);
  await scene.append(...seen.losses, {
    type: "tests-written",
    ...{ goal: goal.id, bead: lease.bead, attempt: attempt.id, call: move.call },
    ...{ commit: written.commit, files, checks: [check], red: seen.red, green: seen.green },
  });
  return "goes-on";
}

/** What their text says against the tests, a line each: they ask nothing, or what they ask for comes from elsewhere. */
async function readFaults(
  { goal, site, tools }: Scene,
  files: ReadonlyMap<string, string>,
): Promise<readonly string[]> {
  const read = [...files].map(async ([path, text]) => [path, await tools.readSuite(path, text)] as const);
  const { base, text: said } = goal.order;
  const tracked = await readTracked(site.repository, base, namedIn(said, ...files.values()));
  const suite = new Map(await Promise.all(read));
  return provenanceFaults(suite, {
    goal: said,
    paths: [...tracked.keys()],
    texts: [...textsOf(tracked).values()],
  });
}

/** One commit on the order's base. */
async function writeTests(
  { order }: Goal,
  bead: BeadId,
  files: ReadonlyMap<string, string>,
  repository: Repository,
): Promise<Revised | RepositoryError> {
  const [line = ""] = order.text.trim().split("\n", 1);
  const title = `Tests: ${line.length <= 64 ? line : `${line.slice(0, 63)}…`}`;
  return repository
    .write({
      parent: order.base,
      files: new Map([...files].map(([path, text]) => [path, new TextEncoder().encode(text)])),
      message: `${title}\n\nWritten by a model before the work they judge, and not changed since.\n\nRigs-Bead: ${bead}\n`,
      author: order.author,
      ref: `refs/rigs/${bead}/tests`,
    })
    .catch((error: unknown) => {
      if (error instanceof RepositoryError) return error;
      throw error;
    });
}

type Seen = { readonly losses: readonly NewEvent[] } & ReturnType<typeof rednessOf>;

/** Both runs are real: the first as a change of base is run, the second as base, where it is kept for the proofs. */
async function gate(
  { goal, site, tools, lease, signal }: Scene,
  check: Check,
  { commit, ground }: { readonly commit: Commit; readonly ground: Ground },
): Promise<Seen> {
  const { verifier } = await tools.enclosure(enclosureOf(goal));
  tools.watch({ kind: "running", bead: lease.bead, what: "checks" });
  const losses: NewEvent[] = [];
  const on = async (base: Commit): Promise<GateRun> => {
    const trial = trialOf(goal, site, { commit, base, checks: [check] });
    const ran = await despiteLosses(goal.id, () => verifier.run(trial, signal));
    losses.push(...ran.losses);
    return present(ran.result[0], "a check that is asked for is run");
  };
  const first = await on(goal.order.base);
  const redness = rednessOf(first, ground);
  if (redness.kind === "faulty") return { ...redness, losses };
  const faults = unsteady(first, await on(commit));
  return faults.length === 0 ? { ...redness, losses } : { kind: "faulty", faults, losses };
}

/** Characters of faults that an event keeps. */
const detailCharactersMax = 2_000;

async function reject(
  { goal, attempt, lease, append }: Scene,
  { call }: Extract<Move, { kind: "take" }>,
  faults: readonly string[],
  losses: readonly NewEvent[] = [],
): Promise<"goes-on"> {
  const before = entriesOf(attempt.trail, testTurn).filter(({ kind }) => kind === "rejected").length;
  const isLast = before + 1 >= testAnswersMax;
  const giveUp = `no tests after ${testAnswersMax} answers, so nobody's acceptance stands behind the goal; the last one: `;
  await append(...losses, {
    type: "answer-rejected",
    ...{ goal: goal.id, bead: lease.bead, attempt: attempt.id, call, reason: "faulty-tests" },
    detail: `${isLast ? giveUp : ""}${faults.join("\n")}`.slice(0, detailCharactersMax),
  });
  return "goes-on";
}

async function textOf({ tools }: Pick<Scene, "tools">, hash: BlobHash): Promise<string> {
  const bytes = await tools.store.blobs.get(hash);
  return new TextDecoder().decode(present(bytes, "blobs of an unfinished attempt are kept"));
}

/**
 * The same tests once more, where the private clone lost their commit: from the answer that held them. RepositoryError
 * where that is gone too.
 */
export async function rewriteTests(
  goal: Goal,
  repository: Repository,
  { store }: Pick<Scene["tools"], "store">,
): Promise<Commit> {
  const { bead, files, answer } = await writtenBefore(goal, store);
  const bytes = answer === undefined ? undefined : await store.blobs.get(answer);
  const read = bytes === undefined ? undefined : filesIn(new TextDecoder().decode(bytes), files);
  if (read === undefined)
    throw new RepositoryError(
      `the tests that a model wrote for goal ${goal.id} are gone with Rigs' clone, and so is the answer they came from: begin anew with rigs goal execute`,
    );
  const written = await writeTests(goal, bead, read, repository);
  if (written instanceof RepositoryError) throw written;
  return written.commit;
}

/** The event that froze them, and the answer of its call. */
async function writtenBefore(
  { id }: Goal,
  { log }: Scene["tools"]["store"],
): Promise<{
  readonly bead: BeadId;
  readonly files: readonly string[];
  readonly answer: BlobHash | undefined;
}> {
  const answers = new Map<CallId, BlobHash>();
  for (let from = 1; ; ) {
    const page = await log.read(from, 1_000, id);
    for (const { event, sequence } of page) {
      from = sequence + 1;
      if (event.type === "call-settled" && event.settled.kind === "said")
        answers.set(event.call, event.settled.answer);
      if (event.type === "tests-written")
        return { bead: event.bead, files: event.files, answer: answers.get(event.call) };
    }
    assert(page.length > 0, "tests were written");
  }
}

/** The files of these paths as the answer gives them; undefined where it does not give them all. */
function filesIn(text: string, paths: readonly string[]): ReadonlyMap<string, string> | undefined {
  const answer = parseAnswer(text);
  if (answer.kind !== "files") return undefined;
  const files = new Map(
    answer.files.flatMap((file) =>
      file.kind === "whole" && paths.includes(file.path) ? [[file.path, file.text] as const] : [],
    ),
  );
  return files.size === paths.length ? files : undefined;
}
