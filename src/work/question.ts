import { diagnosisOf } from "../domain/answer.ts";
import type { Score, TrailEntry } from "../domain/attempt.ts";
import { assignmentOf } from "../domain/bead.ts";
import { classify } from "../domain/failure.ts";
import type { GateRun } from "../domain/gate.ts";
import type { BlobHash, Commit } from "../domain/id.ts";
import { headAfter, type Move } from "../domain/move.ts";
import { feedbackPacket, refusalPacket, runsToMend } from "../domain/packet.ts";
import { coderPrompt, type Opening, type Turn } from "../domain/prompt.ts";
import { isProtected } from "../domain/protected.ts";
import type { ProofFacts } from "../domain/verdict.ts";
import { present } from "../kit/assert.ts";
import type { Message } from "../ports/model.ts";
import { namedIn, readTexts, readTracked, textsOf } from "./files.ts";
import { standingOf } from "./meeting.ts";
import { newsOf } from "./probing.ts";
import { keptAt, type Scene } from "./scene.ts";
import { checksInForce } from "./survey.ts";

type Ask = Extract<Move, { kind: "ask" }>;
type Revised = Extract<TrailEntry, { kind: "revised" }>;

/** What is put to the model, rebuilt from the trail each time: the same trail gives the same question. */
export async function composeQuestion(
  scene: Scene,
  move: Ask,
  limits: { readonly contextTokensMax: number },
): Promise<{ readonly system: string; readonly messages: readonly Message[]; readonly temperature: number }> {
  const { goal, site, tools } = scene;
  const line = lineOf(scene.attempt.trail, move);
  const start = line.start ?? scene.ground;
  const head = move.from ?? scene.ground;
  const { contract } = scene.bead;
  const assignment = assignmentOf(goal.order.text, contract);
  const checks = checksInForce(goal, scene.bead, scene.attempt);
  const named = await namedBefore(scene, line.before);
  const asked = line.entries.flatMap((entry) => (entry.kind === "asked-for-files" ? entry.paths : []));
  const areas = [...contract.owns, ...contract.reads];
  const isFirst = namedIn(assignment, ...checks.map(({ command }) => command), ...named, ...asked, ...areas);
  const files = await readTracked(site.repository, start, isFirst);
  const touched = (await site.repository.changes(start, head)).map(({ path }) => path);
  const changed = changedBetween(
    await readTexts(site.repository, start, touched),
    await readTexts(site.repository, head, touched),
  );
  const { protect, allowChange } = goal.order;
  const base = new Set((await site.repository.list(keptAt(scene))).map((entry) => entry.path));
  const readOnly = [...files.keys()].filter((path) =>
    isProtected(path, { protect, allowChange, existsOnBase: base.has(path) }),
  );
  const question = coderPrompt({
    goal: assignment,
    standing: await standingOf(scene),
    checks,
    protect,
    readOnly: new Set(readOnly),
    lessons: [],
    files,
    changed,
    named,
    opening: await openingOf(scene, line),
    history: await historyOf(scene, line.entries),
    size: tools.size,
    contextTokensMax: Math.min(tools.contextTokensMax, limits.contextTokensMax),
  });
  const messages = endingWith(await newsOf(scene), question.messages);
  return { ...question, messages, temperature: line.kind === "draft" ? 0.2 : 0.7 };
}

/** News stands behind everything else: a provider's cache holds all that is before it. */
function endingWith(news: string, messages: readonly Message[]): readonly Message[] {
  const last = messages.at(-1);
  if (news === "" || last === undefined) return messages;
  return [...messages.slice(0, -1), { ...last, text: `${last.text}\n\n${news}` }];
}

/** One line of descent: from a draft or fresh start to the question that is asked now. */
interface Line {
  readonly kind: Opening["kind"];
  /** The commit its files are shown at; undefined is the base. */
  readonly start: Commit | undefined;
  readonly before: readonly TrailEntry[];
  readonly entries: readonly TrailEntry[];
}

/** The newest line, or a new one when the move opens it. */
function lineOf(trail: readonly TrailEntry[], move: Ask): Line {
  const opened = openingKind(move.step);
  if (opened !== undefined) return { kind: opened, start: move.from, before: trail, entries: [] };
  const at = trail.findLastIndex(
    (entry) => entry.kind === "answered" && openingKind(entry.step) !== undefined,
  );
  const first = trail[at];
  if (at < 0 || first?.kind !== "answered")
    return { kind: "draft", start: joinedAt(trail), before: [], entries: trail };
  const before = trail.slice(0, at);
  return {
    kind: openingKind(first.step) ?? "draft",
    start: headAfter(trail.slice(0, at + 1)),
    before,
    entries: trail.slice(at),
  };
}

/** Where the work began with what was there already. */
function joinedAt([first]: readonly TrailEntry[]): Commit | undefined {
  return first?.kind === "revised" && first.step === "join" ? first.commit : undefined;
}

function openingKind(step: Ask["step"]): Opening["kind"] | undefined {
  return step === "draft" || step === "fresh" || step === "widen" || step === "escalate" ? step : undefined;
}

function changedBetween(
  from: ReadonlyMap<string, string>,
  to: ReadonlyMap<string, string>,
): ReadonlyMap<string, string | undefined> {
  const paths = new Set([...from.keys(), ...to.keys()]);
  return new Map(
    [...paths].filter((path) => from.get(path) !== to.get(path)).map((path) => [path, to.get(path)]),
  );
}

async function openingOf(scene: Scene, line: Line): Promise<Opening> {
  return line.kind === "draft"
    ? { kind: "draft" }
    : { kind: line.kind, ideas: await ideasIn(scene, line.before) };
}

/** One line for each revision that did not get there: what it thought, and what it ran into. */
async function ideasIn(scene: Scene, trail: readonly TrailEntry[]): Promise<readonly string[]> {
  const ideas: string[] = [];
  let answer: BlobHash | undefined;
  for (const entry of trail) {
    if (entry.kind === "answered") answer = entry.answer;
    if (entry.kind === "revised" && !entry.evaluation.isGreen && answer !== undefined) {
      const [thought = ""] = diagnosisOf(await textOf(scene, answer)).split("\n", 1);
      ideas.push(
        thought === ""
          ? entry.evaluation.headline
          : `${thought.slice(0, 160)} (${entry.evaluation.headline})`,
      );
    }
    if (entry.kind === "proved" && entry.proof.verdict === "refuted")
      ideas.push(entry.proof.reasons[0] ?? "refuted by the judge");
  }
  return ideas;
}

/** Files that the newest failure before this line points at. */
async function namedBefore(scene: Scene, before: readonly TrailEntry[]): Promise<readonly string[]> {
  const last = before.findLast((entry) => entry.kind === "revised");
  if (last === undefined) return [];
  const paths = (await scene.site.repository.list(last.commit)).map((entry) => entry.path);
  const failure = classify(await runsOf(scene, last), paths);
  return failure === undefined ? [] : [...new Set(failure.frames.map((frame) => frame.path))];
}

async function historyOf(scene: Scene, entries: readonly TrailEntry[]): Promise<readonly Turn[]> {
  const turns: Turn[] = [];
  let answer = "";
  let previous: Score | undefined;
  for (const [index, entry] of entries.entries()) {
    if (entry.kind === "answered") answer = await textOf(scene, entry.answer);
    if (entry.kind === "rejected")
      turns.push({ kind: "rejected", answer, reason: entry.reason, detail: entry.detail });
    if (entry.kind === "asked-for-files") turns.push({ kind: "read", answer, paths: entry.paths });
    if (entry.kind !== "revised") continue;
    if (entry.step === "join") answer = triedAsItIs;
    const ideas = await ideasIn(scene, entries.slice(0, index));
    const outcome = entries[index + 1]?.kind === "reverted" ? "taken-back" : "kept";
    const refuted = entries[index + 1];
    const feedback =
      refuted?.kind === "proved"
        ? await refutation(scene, entry, refuted)
        : await packetOf(scene, { commit: entry.commit, runs: await runsOf(scene, entry), previous, ideas });
    turns.push({ kind: "answered", answer, feedback, outcome });
    previous = entry.evaluation.score;
  }
  return turns;
}

/** Stands where nobody had answered yet: what others brought, or what came back, was run. */
const triedAsItIs = "[no answer yet: what the files hold was run as it is]";

interface Round {
  readonly commit: Commit;
  readonly runs: readonly GateRun[];
  readonly previous: Score | undefined;
  readonly ideas: readonly string[];
}

async function packetOf(scene: Scene, { commit, runs, previous, ideas }: Round): Promise<string> {
  const sources = textsOf(await readTracked(scene.site.repository, commit, namedIn(JSON.stringify(runs))));
  const failure = classify(runs, [...sources.keys()]);
  if (failure === undefined) return "All checks passed.";
  return feedbackPacket({ failure, runs, sources, previous, ideas, size: scene.tools.size });
}

/** Green in the loop and refuted by the judge: what the judge saw, and the failing runs where there are any. */
async function refutation(
  scene: Scene,
  revised: Revised,
  proved: Extract<TrailEntry, { kind: "proved" }>,
): Promise<string> {
  const { facts } = JSON.parse(await textOf(scene, proved.evidence)) as { readonly facts: ProofFacts };
  const before = classify(await runsOf(scene, revised)) === undefined ? "green" : "held-red";
  const why = refusalPacket(proved.proof.reasons, { before, size: scene.tools.size });
  const runs = runsToMend(facts.gates);
  if (classify(runs) === undefined) return why;
  const packet = await packetOf(scene, { commit: revised.commit, runs, previous: undefined, ideas: [] });
  return `${why}\n\n${packet}`;
}

async function runsOf(scene: Scene, { evaluation }: Revised): Promise<readonly GateRun[]> {
  return JSON.parse(await textOf(scene, evaluation.runs)) as readonly GateRun[];
}

async function textOf(scene: Scene, hash: BlobHash): Promise<string> {
  const bytes = await scene.tools.store.blobs.get(hash);
  return new TextDecoder().decode(present(bytes, "blobs of an unfinished attempt are kept"));
}
