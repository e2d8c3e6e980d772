/** What calls will take, learned from those that came back: tokens of prompts by model, of answers by model and kind of task. */
import {
  type Correction,
  corrected,
  correctedMost,
  correctionIn,
  learned,
  nothingLearned,
} from "../domain/correction.ts";
import { likelyOutput, noted, nothingKnown, reservedOutput, type Usual } from "../domain/quantile.ts";
import type { Usage } from "../domain/reply.ts";

/** `likely` is what it usually comes to, `reserved` what 90 % (answers) or 95 % (prompts) stay below. */
export interface Expected {
  readonly reserved: number;
  readonly likely: number;
}

/** Models and kinds remembered at most; the one longest unheard of goes first. */
const knownMax = 1_000;

/** What a whole value of it is as JSON; `version` tells shapes apart. */
export interface SavedEstimates {
  readonly version: 1;
  readonly inputs: readonly (readonly [string, Correction])[];
  readonly outputs: readonly (readonly [string, Usual])[];
}

export class Estimates {
  readonly #inputs = new Map<string, Correction>();
  readonly #outputs = new Map<string, Usual>();

  /** A prompt that we count as so many tokens, as this model would. `model`: provider and name. */
  inputOf(model: string, counted: number): Expected {
    const correction = this.#inputs.get(model) ?? nothingLearned;
    return { reserved: correctedMost(correction, counted), likely: corrected(correction, counted) };
  }

  /** An answer of at most `outputMax` tokens; `kind` is the step of the call ("draft", "repair", "gateway"). */
  outputOf(model: string, kind: string, outputMax: number): Expected {
    const usual = this.#outputs.get(keyOf(model, kind)) ?? nothingKnown;
    // Of a kind that was never heard, what this model usually writes is the better guess: a new caller is not taken for a large one.
    const known = usual.count > 0 ? usual : (this.#outputs.get(keyOf(model, anyKind)) ?? nothingKnown);
    return { reserved: reservedOutput(usual, outputMax), likely: likelyOutput(known, outputMax) };
  }

  /** A reply came: `counted` is our own count of its prompt. What was never answered teaches nothing. */
  heard(model: string, kind: string, counted: number, usage: Usage): void {
    if (!(usage.output > 0 && usage.output < amountMax)) return;
    const before = this.#inputs.get(model) ?? nothingLearned;
    remember(this.#inputs, model, learned(before, counted, usage.input));
    for (const key of [keyOf(model, kind), keyOf(model, anyKind)])
      remember(this.#outputs, key, noted(this.#outputs.get(key) ?? nothingKnown, usage.output));
  }

  saved(): SavedEstimates {
    return { version: 1, inputs: [...this.#inputs], outputs: [...this.#outputs] };
  }

  /** What an earlier process saved, as far as it can be read; nothing is known of the rest. Never throws. */
  static restored(saved: unknown): Estimates {
    const estimates = new Estimates();
    const { version, inputs, outputs } = (saved ?? {}) as Partial<Record<keyof SavedEstimates, unknown>>;
    if (version !== 1) return estimates;
    for (const [key, value] of pairsIn(inputs)) remember(estimates.#inputs, key, correctionIn(value));
    for (const [key, value] of pairsIn(outputs)) {
      const usual = usualIn(value);
      if (usual !== undefined) remember(estimates.#outputs, key, usual);
    }
    return estimates;
  }
}

/** Calls of every kind. */
const anyKind = "";

function keyOf(model: string, kind: string): string {
  return `${model} ${kind}`;
}

function remember<Value>(known: Map<string, Value>, key: string, value: Value): void {
  known.delete(key);
  known.set(key, value);
  const oldest = known.size > knownMax ? known.keys().next().value : undefined;
  if (oldest !== undefined) known.delete(oldest);
}

function pairsIn(list: unknown): readonly (readonly [string, unknown])[] {
  if (!Array.isArray(list)) return [];
  return list.flatMap((pair: unknown) =>
    Array.isArray(pair) && typeof pair[0] === "string" ? [[pair[0], pair[1]] as const] : [],
  );
}

/** What is more is no count of anything. */
const amountMax = 1e9;

function usualIn(value: unknown): Usual | undefined {
  const { count, mean, high } = (value ?? {}) as Partial<Record<keyof Usual, unknown>>;
  const isAmount = (each: unknown): each is number =>
    typeof each === "number" && each >= 0 && each < amountMax;
  return isAmount(count) && isAmount(mean) && isAmount(high) ? { count, mean, high } : undefined;
}
