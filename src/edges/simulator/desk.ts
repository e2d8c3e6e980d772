import type { Finish, Usage } from "../../domain/reply.ts";
import { seedOf } from "../../kit/random.ts";
import type { Asked } from "./conversation.ts";
import type { EnvelopeFault } from "./envelope.ts";
import { answer, requestKey, type Truth } from "./noise.ts";
import { type Profile, type ProfileSettings, profileNames, profileOf } from "./profile.ts";
import {
  type FaultName,
  type Scenario,
  type ScenarioAction,
  type Script,
  scriptOf,
  type WireName,
} from "./scenario.ts";
import type { TaskSet } from "./taskset.ts";
import { countTokens, type PromptCache, promptCache, promptTextOf } from "./tokens.ts";

/** A request in no wire's words. `owner`: who shares a cache, made from the key and not the key itself. */
export interface Wish {
  readonly wire: WireName;
  readonly model: string;
  readonly owner: string;
  /** As the request gave it; only rules see it. */
  readonly key: string;
  /** Since the server began. */
  readonly sinceMs: number;
  readonly asked: Asked;
}

export interface Said {
  readonly id: string;
  readonly text: string;
  readonly finish: Finish;
  readonly usage: Usage;
  readonly truths: readonly Truth[];
  readonly envelope: readonly EnvelopeFault[];
  readonly profile: Profile;
  /** Wait before the answer, beside the profile's own. */
  readonly delayMs: number;
  /** It ends after so many characters, with an error or a broken connection; undefined: it does not. */
  readonly broken: { readonly after: number; readonly fault: FaultName | undefined } | undefined;
}

/** An error, named as a scenario names it. `message` undefined: the wire's usual text. */
export interface Refusal {
  readonly kind: "refused";
  readonly fault: FaultName;
  readonly message: string | undefined;
  readonly retryAfterSeconds: number | undefined;
}

export type DeskAnswer = { readonly kind: "said"; readonly said: Said } | Refusal | { readonly kind: "hung" };

/** Everything the simulator remembers: scenario rules used up, recent prompts, how often each request was asked. */
export interface Desk {
  readonly models: readonly Profile[];
  /** The prompt as it will be counted, without answering it; undefined: nobody knows the model. */
  measure(wish: Wish): { readonly input: number; readonly cachedInput: number } | undefined;
  answer(wish: Wish): DeskAnswer;
}

export interface DeskSettings {
  readonly taskSet: TaskSet;
  readonly scenario: Scenario;
  readonly seed: number;
  /** Changes to profiles, by name. */
  readonly profiles: Readonly<Record<string, ProfileSettings>>;
  /** Changes to every profile. */
  readonly everyProfile: ProfileSettings;
  /** Shorter shared beginnings are not reported as cached; both vendors start at 1,024. */
  readonly cacheTokensMin: number;
}

/** Names of a scenario that stand for no profile are simply unknown models; `deskFault` tells beforehand. */
export function deskOf(settings: DeskSettings): Desk {
  const script = scriptOf(settings.scenario, settings.seed);
  const cache = promptCache();
  const samples = sampleCounter();
  const callsOf = new Map<string, number>();
  let call = 0;
  return {
    models: [...profileNames, ...Object.keys(settings.scenario.models)].flatMap((name) => {
      return profileFor(name, settings) ?? [];
    }),
    measure(wish) {
      const profile = profileFor(wish.model, settings);
      if (profile === undefined) return undefined;
      const prompt = promptTextOf(wish.asked);
      const input = countTokens(prompt);
      const shared = cache.peek(`${wish.owner}/${profile.name}`, prompt);
      return { input, cachedInput: cachedOf(shared, input, wish.wire, settings) };
    },
    answer(wish) {
      call += 1;
      const profile = profileFor(wish.model, settings);
      if (profile === undefined) return refused("not-found");
      const callsBefore = callsOf.get(wish.owner) ?? 0;
      if (callsOf.size < ownersMax || callsBefore > 0) callsOf.set(wish.owner, callsBefore + 1);
      const action = play(script, wish, { call, callsBefore });
      if (action?.kind === "hang") return { kind: "hung" };
      if (action?.kind === "fault") return refused(action.fault, action.message, action.retryAfterSeconds);
      return say(wish, profile, action, { settings, cache, samples });
    },
  };
}

/** What is wrong with the names of a scenario, or undefined. */
export function deskFault(scenario: Scenario): string | undefined {
  const bad = Object.entries(scenario.models).find(([, base]) => profileOf(base) === undefined);
  return bad && `models.${bad[0]}: no profile is called ${bad[1]}; there are ${profileNames.join(", ")}`;
}

function profileFor(name: string, settings: DeskSettings): Profile | undefined {
  const { scenario, profiles, everyProfile } = settings;
  const base = Object.hasOwn(scenario.models, name) ? scenario.models[name] : name;
  return base === undefined
    ? undefined
    : named(profileOf(base, { ...everyProfile, ...profiles[base], ...profiles[name] }), name);
}

function named(profile: Profile | undefined, name: string): Profile | undefined {
  return profile && { ...profile, name };
}

function play(
  script: Script,
  { wire, model, asked, key, sinceMs }: Wish,
  counts: { readonly call: number; readonly callsBefore: number },
): ScenarioAction | undefined {
  const texts = [asked.system, ...asked.messages.map(({ text }) => text)];
  return script.next({ wire, model, key, sinceMs, texts, ...counts });
}

/** Keys whose requests are counted. */
const ownersMax = 10_000;

function cachedOf(shared: number, input: number, wire: WireName, { cacheTokensMin }: DeskSettings): number {
  const cached = shared < cacheTokensMin ? 0 : Math.min(shared, input);
  return wire === "openai" || wire === "responses" ? cached - (cached % cacheStep) : cached;
}

function refused(fault: FaultName, message?: string, retryAfterSeconds?: number): Refusal {
  return { kind: "refused", fault, message, retryAfterSeconds };
}

interface Memory {
  readonly settings: DeskSettings;
  readonly cache: PromptCache;
  readonly samples: SampleCounter;
}

function say(wish: Wish, profile: Profile, action: ScenarioAction | undefined, memory: Memory): DeskAnswer {
  const { asked, owner } = wish;
  const { settings, cache, samples } = memory;
  const prompt = promptTextOf(asked);
  const input = countTokens(prompt);
  if (input >= profile.contextTokensMax)
    return refused(
      "too-large",
      wish.wire === "anthropic"
        ? `prompt is too long: ${input} tokens > ${profile.contextTokensMax} maximum`
        : `This model's maximum context length is ${profile.contextTokensMax} tokens. However, your messages resulted in ${input} tokens. Please reduce the length of the messages.`,
    );
  const room = profile.contextTokensMax - input;
  const bounded = { ...asked, outputTokensMax: Math.min(asked.outputTokensMax, room) };
  const key = `${profile.name}/${requestKey(asked, settings.taskSet)}`;
  const sample = samples.next(key);
  const spoken =
    action?.kind === "say"
      ? { text: action.text, finish: action.finish, truths: [], envelope: [] }
      : answer({ ...bounded, sample }, settings.taskSet, profile, settings.seed);
  const shared = cache.share(`${owner}/${profile.name}`, prompt);
  const cachedInput = cachedOf(shared, input, wish.wire, settings);
  return {
    kind: "said",
    said: {
      ...spoken,
      id: idOf(`${settings.seed}/${key}/${sample}/${spoken.text}`),
      usage: { input, cachedInput, output: countTokens(spoken.text) },
      profile,
      delayMs: action?.kind === "slow" ? action.delayMs : 0,
      broken: brokenBy(action),
    },
  };
}

function brokenBy(action: ScenarioAction | undefined): Said["broken"] {
  if (action?.kind === "cut") return { after: action.afterCharacters, fault: undefined };
  return action?.kind === "break" ? { after: action.afterCharacters, fault: action.fault } : undefined;
}

/** OpenAI counts cached tokens in steps of so many. */
const cacheStep = 128;

function idOf(text: string): string {
  const parts = [text, `${text}.`, `.${text}`].map((each) => seedOf(each).toString(36).padStart(7, "0"));
  return parts.join("");
}

/** Counts how often a key came. Bounded: of more than 100,000 keys the oldest starts again. */
export interface SampleCounter {
  next(key: string): number;
}

const keysMax = 100_000;

export function sampleCounter(): SampleCounter {
  const counts = new Map<string, number>();
  return {
    next(key) {
      const sample = counts.get(key) ?? 0;
      counts.set(key, sample + 1);
      const oldest = counts.size > keysMax ? counts.keys().next().value : undefined;
      if (oldest !== undefined) counts.delete(oldest);
      return sample;
    },
  };
}
