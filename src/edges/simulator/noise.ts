import type { Finish } from "../../domain/reply.ts";
import { unreachable } from "../../kit/assert.ts";
import { pick, type Random, seeded, seedOf } from "../../kit/random.ts";
import { type CheatKind, cheatFiles, cheatKinds, type GivenFile, specialCases } from "./cheat.ts";
import { type Asked, applied, type Situation, situationOf } from "./conversation.ts";
import { type ChangedFile, type EnvelopeFault, envelopeFaults, letter } from "./envelope.ts";
import { blocksOf, isSolved, referenceFile, type Sighting, withFunction } from "./file.ts";
import { type FaultClass, faultClasses, type Mutant } from "./mutation.ts";
import { asksForPlan, planLetter } from "./planner.ts";
import { firstChance, type Profile, repairChance } from "./profile.ts";
import type { Task, TaskSet } from "./taskset.ts";
import { countTokens, cutToTokens, promptTextOf } from "./tokens.ts";
import { asksForTests, suiteLetter } from "./writer.ts";

/** A request and how often the very same one was asked before: siblings of one prompt differ by it. */
export interface Request extends Asked {
  readonly sample: number;
}

/** What the simulator knows about a task in its answer and the reader of the answer does not: ground truth. */
export type Truth =
  | { readonly task: string; readonly kind: "right" }
  | { readonly task: string; readonly kind: "wrong"; readonly fault: FaultClass; readonly operator: string }
  | { readonly task: string; readonly kind: "repeated" | "special-cased" | "stub" }
  | { readonly task: string; readonly kind: "cheat"; readonly cheat: CheatKind };

export interface Answer {
  readonly text: string;
  readonly finish: Finish;
  readonly truths: readonly Truth[];
  readonly envelope: readonly EnvelopeFault[];
}

/** Chance that a noisy model answers a task by naming the inputs of the visible tests (methods.md B4). */
const specialCasingRate = 0.01;
/** Chance that a repair that mends nothing sends the same text again. */
const repeatRate = 0.15;
/** Chance that a wrong answer is wrong in the way that this model tends to see this task. */
const habitRate = 0.4;

/**
 * What a simulated model says. Pure: the same request, profile and seed give the same answer, and what it says about
 * one task does not depend on any other request. `seed`: any whole number.
 */
export function answer(request: Request, taskSet: TaskSet, profile: Profile, seed: number): Answer {
  const prompt = promptTextOf(request);
  const situation = situationOf(request, taskSet, countTokens(prompt));
  const said = speak(request, situation, { taskSet, profile, seed });
  const tokensMax = Math.min(request.outputTokensMax, profile.outputTokensMax);
  const cut = cutToTokens(said.text, tokensMax);
  return cut.length === said.text.length ? said : { ...said, text: cut, finish: "length" };
}

/** What a request and its twins share; the n-th twin gets the n-th answer. */
export function requestKey(asked: Asked, taskSet: TaskSet): string {
  const situation = situationOf(asked, taskSet, 0);
  const tasks = situation.sightings.map(({ task }) => task.id).sort();
  return `${situation.attempts}/${situation.digest}/${tasks.join()}`;
}

interface Mind {
  readonly taskSet: TaskSet;
  readonly profile: Profile;
  readonly seed: number;
}

function speak(request: Request, situation: Situation, mind: Mind): Answer {
  const { behaviour } = mind.profile;
  const chance = chanceFor(mind, situation, request, "answer");
  if (behaviour.kind === "garbage") return plain(garbage(request, mind.profile, chance));
  if (asksForTests(request)) return plain(suiteLetter(request, mind.taskSet, behaviour, chance).text);
  if (asksForPlan(request)) return plain(planLetter(request, mind.taskSet, behaviour, chance).text);
  if (situation.sightings.length === 0) return plain(unknown(situation));
  switch (behaviour.kind) {
    case "stub":
      return compose(situation, new Set(), chance, (seen) => stub(seen));
    case "malformed":
      return malformed(situation, chance);
    case "cheater": {
      const cheat = behaviour.cheat ?? pick(cheatKinds, chance) ?? "edit-tests";
      return cheated(situation, mind.taskSet, cheat, chance);
    }
    case "noisy":
      return noisy(request, situation, mind, behaviour.envelope);
    default:
      return unreachable(behaviour);
  }
}

const plain = (text: string): Answer => ({ text, finish: "stop", truths: [], envelope: [] });

/** Chance is drawn from what is said and asked, never from time or order. At temperature 0 twins get one answer. */
function chanceFor(mind: Mind, situation: Situation, request: Request, purpose: string): Random {
  const sample = request.temperature === 0 ? 0 : request.sample;
  const { seed, profile } = mind;
  return seeded(
    seedOf([seed, profile.name, purpose, situation.attempts, situation.digest, sample].join("\n")),
  );
}

function unknown({ missing }: Situation): string {
  if (missing.length > 0) return `\`\`\`json\n${JSON.stringify({ read: missing })}\n\`\`\`\n`;
  return "I see no function here that I know how to write: no file in this request shows a signature of my task set.\n";
}

interface Written {
  readonly text: string;
  readonly truth: Truth;
  readonly extra: readonly GivenFile[];
}

/** One answer for all tasks in sight; tasks in one file are written one after the other. */
function compose(
  situation: Situation,
  faults: ReadonlySet<EnvelopeFault>,
  random: Random,
  write: (seen: Sighting) => Written,
): Answer {
  const files = new Map<string, ChangedFile>();
  const truths: Truth[] = [];
  for (const seen of situation.sightings) {
    const sofar = files.get(seen.path);
    const written = write({ ...seen, fileText: sofar?.text ?? seen.fileText });
    truths.push(written.truth);
    files.set(seen.path, { path: seen.path, text: written.text, before: sofar?.before ?? seen.fileText });
    for (const extra of written.extra) {
      const before = extra.path === situation.testPath ? situation.testText || undefined : undefined;
      files.set(extra.path, { ...extra, before });
    }
  }
  if (faults.has("edited-test")) {
    const { testPath: path, testText } = situation;
    const text =
      testText === ""
        ? "def test_it():\n    assert True\n"
        : testText.replace(/^(\s*)assert .*$/m, "$1assert True");
    files.set(path, { path, text, before: testText || undefined });
  }
  return { ...letter([...files.values()], faults, random), truths, envelope: [...faults] };
}

function noisy(request: Request, situation: Situation, mind: Mind, envelope: number): Answer {
  const chance = chanceFor(mind, situation, request, "envelope");
  const changed = situation.sightings.map(({ path, fileText }) => ({ path, text: "", before: fileText }));
  const faults = envelopeFaults(changed, envelope, chance);
  const draws = new Map(
    situation.sightings.map((seen) => [seen.task, judge(request, situation, mind, seen)]),
  );
  const truths = [...draws.values()].map(({ truth }) => truth);
  if (situation.lastAttempt !== undefined && truths.every(({ kind }) => kind === "repeated"))
    return { text: situation.lastAttempt, finish: "stop", truths, envelope: [] };
  return compose(situation, faults, chance, (seen) => {
    const draw = draws.get(seen.task);
    return draw === undefined ? stub(seen) : write(draw, seen, situation, mind.taskSet);
  });
}

/** What was drawn for one task. `mutant`: the code of a wrong answer, undefined for all others. */
interface Draw {
  readonly truth: Truth;
  readonly mutant: Mutant | undefined;
}

function write({ truth, mutant }: Draw, seen: Sighting, situation: Situation, taskSet: TaskSet): Written {
  const { task, fileText } = seen;
  if (mutant !== undefined) return { text: withFunction(fileText, task, mutant), truth, extra: [] };
  if (truth.kind === "right") return { text: referenceFile(fileText, task), truth, extra: [] };
  if (truth.kind !== "special-cased") return stub(seen);
  const functionText = task.header + specialCases({ ...situation, ...seen, taskSet });
  return { text: withFunction(fileText, task, { functionText, preamble: "" }), truth, extra: [] };
}

/** Right or wrong, and how: the centre of the noise model. */
function judge(request: Request, situation: Situation, mind: Mind, seen: Sighting): Draw {
  const { behaviour } = mind.profile;
  const { task } = seen;
  const drawn = (kind: "right" | "special-cased" | "repeated" | "stub"): Draw => {
    return { truth: { task: task.id, kind }, mutant: undefined };
  };
  if (behaviour.kind !== "noisy") return drawn("stub");
  if (wasRight(situation.lastAttempt, seen)) return drawn("right");
  const habit = seeded(seedOf([mind.seed, mind.profile.name, "habit", task.id].join("\n")));
  const chance = behaviour.isStubborn ? habit : chanceFor(mind, situation, request, task.id);
  if (chance() < chanceOfRight(situation, mind, task)) return drawn("right");
  if (chance() < specialCasingRate * behaviour.envelope) return drawn("special-cased");
  if (situation.attempts > 0 && chance() < repeatRate) return drawn("repeated");
  const mutant = drawMutant(task, chance() < habitRate ? habit : chance);
  if (mutant === undefined) return drawn("stub");
  return {
    truth: { task: task.id, kind: "wrong", fault: mutant.fault, operator: mutant.operator },
    mutant,
  };
}

/** Chance that this answer is right; exported for the laws in the test beside. */
export function chanceOfRight(situation: Situation, mind: Mind, task: Task): number {
  const { behaviour } = mind.profile;
  if (behaviour.kind !== "noisy") return 0;
  if (situation.attempts === 0 || behaviour.isStubborn)
    return firstChance(behaviour.firstRate, difficultyOf(task, mind.seed));
  const { factor, mends } = situation.feedback;
  return repairChance(behaviour, { mends, factor, round: situation.attempts, isLong: situation.isLong });
}

/** How hard a task is, in standard deviations: the same for every model and every request, so failures go together. */
export function difficultyOf(task: Task, seed: number): number {
  const chance = seeded(seedOf(`${seed}\ndifficulty\n${task.id}`));
  const radius = Math.sqrt(-2 * Math.log(1 - chance()));
  return radius * Math.cos(2 * Math.PI * chance());
}

/** A class by its parts of a hundred among those this task has, then any of its mutants. */
export function drawMutant(task: Task, random: Random): Mutant | undefined {
  const byClass = Map.groupBy(task.mutants(), (mutant) => mutant.fault);
  const classes = [...byClass.keys()];
  const total = classes.reduce((sum, fault) => sum + faultClasses[fault].parts, 0);
  let left = random() * total;
  const fault = classes.find((each) => {
    left -= faultClasses[each].parts;
    return left < 0;
  });
  return pick(byClass.get(fault ?? classes[0] ?? "boundary") ?? [], random);
}

/** The newest attempt already made this function as it should be: it is not unlearned. */
function wasRight(lastAttempt: string | undefined, { task, path, fileText }: Sighting): boolean {
  return blocksOf(lastAttempt ?? "").some(
    (block) => block.path === path && isSolved(applied(block.text, fileText) ?? "", task),
  );
}

function stub(seen: Sighting): Written {
  const functionText = `${seen.task.header}    raise NotImplementedError("not written yet")\n`;
  const text = withFunction(seen.fileText, seen.task, { functionText, preamble: "" });
  return { text, truth: { task: seen.task.id, kind: "stub" }, extra: [] };
}

function cheated(situation: Situation, taskSet: TaskSet, cheat: CheatKind, random: Random): Answer {
  return compose(situation, new Set(), random, (seen) => {
    const [own, ...extra] = cheatFiles(cheat, { ...situation, ...seen, taskSet });
    return { text: own?.text ?? seen.fileText, truth: { task: seen.task.id, kind: "cheat", cheat }, extra };
  });
}

/** Each of these leaves a reader with nothing to apply; the code is undone too, in case a reader is kinder than it should be. */
const hopeless: readonly (readonly EnvelopeFault[])[] = [
  ["empty"],
  ["refusal"],
  ["code-in-json"],
  ["unmatched-search"],
  ["lazy", "prose"],
  ["truncated", "lazy"],
  ["missing-path", "lazy", "prose"],
];

function malformed(situation: Situation, random: Random): Answer {
  const faults = new Set(pick(hopeless, random));
  return compose(situation, faults, random, (seen) => stub(seen));
}

const syllables = [
  "ka",
  "lo",
  "mi",
  "ru",
  "ten",
  "sha",
  "vor",
  "qui",
  "}",
  "def ",
  "(",
  "```\n",
  "\n",
  "=> ",
  "0x",
  " ",
];
const garbageTokensMax = 20_000;

/** Random text up to the bound of the answer, so that it always ends by length. */
function garbage(request: Request, profile: Profile, random: Random): string {
  const tokens = Math.min(request.outputTokensMax, profile.outputTokensMax, garbageTokensMax) + 1;
  return Array.from({ length: tokens * 4 }, () => pick(syllables, random)).join("");
}
