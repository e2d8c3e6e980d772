/** A seeded model that knows the toy's right answer and gives it as often as its skill allows. */
import type { Fault, Finish, Reply } from "../../src/domain/reply.ts";
import { noUsage } from "../../src/domain/reply.ts";
import { roughSize } from "../../src/edges/tokens.ts";
import type { Clock } from "../../src/kit/clock.ts";
import { pick, type Random } from "../../src/kit/random.ts";
import type { Model, Prompt } from "../../src/ports/model.ts";

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
  /** Facts the program had and facts it needs, by what the prompt is about. */
  knowledge(prompt: Prompt): { readonly had: readonly string[]; readonly wanted: readonly string[] };
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
        return { kind: "failed", fault, usage: noUsage, headers: {}, wallMs };
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

interface Known {
  readonly had: readonly string[];
  readonly wanted: readonly string[];
  readonly random: Random;
  readonly secret: string;
}

const file = (path: string, lines: readonly string[]) => `${path}\n\`\`\`\n${lines.join("\n")}\n\`\`\`\n`;
const facts = (...lines: readonly string[]) => file("src/facts.txt", lines);

/** Ways to answer; all but `right` are wrong, most of them in ways that were seen in the wild. */
const habits = {
  right: ({ had, wanted }: Known) => `The facts were missing.\n\n${facts(...had, ...wanted)}`,
  partly: ({ had, wanted, random }: Known) => facts(...had, ...wanted.filter(() => random() < 0.5)),
  breaking: ({ wanted }: Known) => facts(...wanted),
  wrong: ({ had, random }: Known) => facts(...had, `w${Math.floor(random() * 1000)}`),
  elsewhere: ({ wanted }: Known) => file("src/more/facts.txt", wanted),
  hanging: ({ had, wanted }: Known) => facts(...had, ...wanted, "HANG"),
  crashing: ({ had }: Known) => facts(...had, "CRASH"),
  unreadable: ({ had, wanted }: Known) => facts(...had, ...wanted, "?"),
  forged: ({ had }: Known) => facts(...had, "FORGE"),
  forgedInside: ({ had }: Known) => facts(...had, "FORGE-INSIDE"),
  bending: ({ had, wanted }: Known) => facts(...had, ...wanted) + file("tests/want.txt", had),
  onlyBending: ({ had }: Known) => file("tests/want.txt", had),
  planting: ({ had, wanted }: Known) => facts(...had, ...wanted) + file(".vscode/settings.json", ["{}"]),
  same: ({ had }: Known) => facts(...had),
  reading: () => '```json\n{"read": ["src/facts.txt", "tests/want.txt"]}\n```\n',
  talking: () => "I would add the facts to the file, as you asked.",
  empty: () => "",
  cut: ({ had }: Known) => `src/facts.txt\n\`\`\`\n${had.join("\n")}\n`,
  leaking: ({ had, wanted, secret }: Known) => facts(...had, ...wanted, secret),
  deleting: () => file("src/facts.txt", []),
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
