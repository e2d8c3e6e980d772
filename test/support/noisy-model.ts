/** A seeded model that knows the toy's right answer and gives it as often as its skill allows. */
import type { Fault, Finish, Reply } from "../../src/domain/reply.ts";
import { noUsage } from "../../src/domain/reply.ts";
import { roughSize } from "../../src/edges/tokens.ts";
import type { Clock } from "../../src/kit/clock.ts";
import { pick, type Random } from "../../src/kit/random.ts";
import type { Model, Prompt } from "../../src/ports/model.ts";

export interface Knowledge {
  /** The file to write, the facts it had, and those it needs. */
  readonly path: string;
  readonly had: readonly string[];
  readonly wanted: readonly string[];
}

export interface NoisyOptions {
  readonly provider: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Chance of the right answer, 0 to 1. */
  readonly skill: number;
  /** Chance of no answer at all, 0 to 1. */
  readonly faults: number;
  /** Tokens that every answer has beyond what the prompt allowed: the server does not heed its bound. */
  readonly surplusTokens?: number;
  /** Longest answer time, ms. */
  readonly slowMsMax: number;
  /** What the prompt is about. */
  knowledge(prompt: Prompt): Knowledge;
  /** Hears what was really paid, answered or not. */
  paid(tokens: number, usd: number): void;
  readonly secret: string;
  /** Said every time instead of what chance would say. */
  readonly fixed?: Fault | { readonly text: string; readonly finish: Finish };
}

const price = { inputUsd: 3, cachedInputUsd: 0.3, outputUsd: 15 };

export function noisyModel(options: NoisyOptions): Model {
  const { provider, clock, random, skill, faults, slowMsMax } = options;
  return {
    provider,
    name: `noisy-${provider}`,
    price,
    async ask(prompt, signal, onText): Promise<Reply> {
      signal.throwIfAborted();
      const [luck, chance, pace] = [random(), random(), random()];
      const wallMs = Math.round(pace * slowMsMax);
      const { fixed } = options;
      const isFault = fixed === undefined ? luck < faults : "kind" in fixed;
      const input =
        roughSize(prompt.system) + prompt.messages.reduce((sum, { text }) => sum + roughSize(text), 0);
      const said = fixed !== undefined && "text" in fixed ? fixed : undefined;
      const answer = () => said?.text ?? answerOf(prompt, chance < skill ? "right" : undefined, options);
      const text = isFault ? "" : answer();
      const { surplusTokens = 0 } = options;
      const heeded =
        surplusTokens > 0 ? prompt.outputTokensMax : Math.min(roughSize(text), prompt.outputTokensMax);
      const output = heeded + surplusTokens;
      const usd = (input * price.inputUsd + output * price.outputUsd) / 1_000_000;
      // What goes beyond the bound is known to nobody unless the answer arrives, and is then counted with it.
      if (!isFault) options.paid(input + heeded, usd);
      await clock.sleep(wallMs, signal);
      if (isFault) {
        const fault = fixed !== undefined && "kind" in fixed ? fixed : faultOf(random, clock.now());
        return { kind: "failed", fault, usage: noUsage, headers: {}, readings: [], wallMs };
      }
      onText?.(text.slice(0, text.length / 2));
      onText?.(text);
      const finish = said?.finish ?? finishOf(text, prompt, random);
      return { kind: "said", text, finish, usage: { input, cachedInput: 0, output }, headers: {}, wallMs };
    },
  };
}

function finishOf(text: string, prompt: Prompt, random: Random): Finish {
  if (roughSize(text) > prompt.outputTokensMax) return "length";
  return random() < 0.02 ? "refused" : "stop";
}

type Habit = keyof typeof habits;

function answerOf(prompt: Prompt, habit: Habit | undefined, options: NoisyOptions): string {
  const { random, secret } = options;
  const chosen = habit ?? pick(Object.keys(habits) as Habit[], random) ?? "right";
  return habits[chosen]({ ...options.knowledge(prompt), random, secret });
}

interface Known extends Knowledge {
  readonly random: Random;
  readonly secret: string;
}

const file = (path: string, lines: readonly string[]) => `${path}\n\`\`\`\n${lines.join("\n")}\n\`\`\`\n`;

/** Ways to answer; all but `right` are wrong, most of them in ways that were seen in the wild. */
const habits = {
  right: ({ path, had, wanted }: Known) => `The facts were missing.\n\n${file(path, [...had, ...wanted])}`,
  partly: ({ path, had, wanted, random }: Known) =>
    file(path, [...had, ...wanted.filter(() => random() < 0.5)]),
  breaking: ({ path, wanted }: Known) => file(path, [...wanted]),
  wrong: ({ path, had, random }: Known) => file(path, [...had, `w${Math.floor(random() * 1000)}`]),
  elsewhere: ({ wanted }: Known) => file("src/more/facts.txt", wanted),
  hanging: ({ path, had, wanted }: Known) => file(path, [...had, ...wanted, "HANG"]),
  crashing: ({ path, had }: Known) => file(path, [...had, "CRASH"]),
  unreadable: ({ path, had, wanted }: Known) => file(path, [...had, ...wanted, "?"]),
  forged: ({ path, had }: Known) => file(path, [...had, "FORGE"]),
  forgedInside: ({ path, had }: Known) => file(path, [...had, "FORGE-INSIDE"]),
  bending: ({ path, had, wanted }: Known) => file(path, [...had, ...wanted]) + file("tests/want.txt", had),
  /** The tests that a model wrote, for less. */
  thawing: ({ path, had, wanted }: Known) => file(path, [...had, ...wanted]) + file("test/want.test.js", had),
  onlyBending: ({ had }: Known) => file("tests/want.txt", had),
  planting: ({ path, had, wanted }: Known) =>
    file(path, [...had, ...wanted]) + file(".vscode/settings.json", ["{}"]),
  same: ({ path, had }: Known) => file(path, [...had]),
  reading: () => '```json\n{"read": ["src/facts.txt", "tests/want.txt"]}\n```\n',
  talking: () => "I would add the facts to the file, as you asked.",
  empty: () => "",
  cut: ({ path, had }: Known) => `${path}\n\`\`\`\n${had.join("\n")}\n`,
  leaking: ({ path, had, wanted, secret }: Known) => file(path, [...had, ...wanted, secret]),
  deleting: ({ path }: Known) => file(path, []),
  /** Both sides as they met: in this language even markers can be read. */
  unresolved: ({ path, had, wanted }: Known) =>
    file(path, ["<<<<<<< ours", ...had, "=======", ...wanted, ">>>>>>> theirs"]),
  /** Right for itself, and against what another part's test may ask. */
  clashing: ({ path, had, wanted }: Known) => file(path, [...had, ...wanted, "clash"]),
} as const;

function faultOf(random: Random, now: number): Fault {
  const chance = random();
  const soon = Math.round(random() * 90_000);
  if (chance < 0.1) return { kind: "throttle", retryAt: undefined, why: "too many requests" };
  if (chance < 0.35) return { kind: "throttle", retryAt: now + soon, why: "too many requests" };
  if (chance < 0.45) return { kind: "window", resetAt: now + soon * 100, why: "the window is used up" };
  if (chance < 0.5) return { kind: "window", resetAt: undefined, why: "the window is used up" };
  if (chance < 0.85) return { kind: "capacity", why: "overloaded" };
  if (chance < 0.9) return { kind: "auth", why: "the key is not known" };
  if (chance < 0.93) return { kind: "billing", why: "no money is left" };
  if (chance < 0.97) return { kind: "request", why: "the request is malformed" };
  return { kind: "too-large", why: "the prompt does not fit" };
}
