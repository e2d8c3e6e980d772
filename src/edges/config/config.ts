/** What `config.toml` says, as values with every default filled in. */
import type { Strategy } from "../../domain/goal.ts";
import type { Price } from "../../ports/model.ts";
import type { ProviderKind } from "./kind.ts";

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error";
export type Tier = "cheap" | "standard" | "strong";

/**
 * Requests, input and output tokens by the minute, requests by the day, calls at a time, and how many seconds' worth of what
 * is counted by the minute may come at once; undefined: not known.
 */
export interface ProviderLimits {
  readonly rpm: number | undefined;
  readonly rpd: number | undefined;
  readonly tpm: number | undefined;
  readonly itpm: number | undefined;
  readonly otpm: number | undefined;
  readonly concurrency: number | undefined;
  readonly burstSeconds: number | undefined;
}

/** A repeated call waits `baseMs`, doubled each time, at most `maxMs`; `countMax` repetitions. */
export interface Retry {
  readonly countMax: number;
  readonly baseMs: number;
  readonly maxMs: number;
}

export interface ProviderConfig {
  readonly name: string;
  readonly kind: ProviderKind;
  readonly enabled: boolean;
  readonly model: string | undefined;
  /** As given, without a slash at the end; undefined: the kind's own server. */
  readonly baseUrl: string | undefined;
  /** The variable that holds the key, as given; undefined: the kind's usual one, if any. */
  readonly apiKeyEnv: string | undefined;
  readonly tier: Tier;
  readonly limits: ProviderLimits;
  /** Fractions remaining, red <= yellow. */
  readonly thresholdYellow: number;
  readonly thresholdRed: number;
  readonly retry: Retry;
  /** USD for a million tokens; undefined: unknown, which faces say aloud. */
  readonly price: Price | undefined;
  /** Transcript of a scripted provider, as given: absolute, `~/...`, or relative to the configuration's folder. */
  readonly script: string | undefined;
  /** Tokens a prompt may take at this model. */
  readonly contextTokens: number;
  /** Bound of one answer. */
  readonly outputTokensMax: number;
  readonly timeoutMs: number;
}

export interface AssayerConfig {
  readonly plannerModel: string | undefined;
  readonly optimizerModel: string | undefined;
  readonly estimatorModel: string | undefined;
  readonly useOllama: boolean;
}

/** Bounds of the polecat's loop that a person may set; the others are the policy's own. */
export interface PolecatConfig {
  readonly repairsMax: number;
  readonly freshMax: number;
  readonly callsMax: number;
  readonly contextTokensMax: number;
}

export interface Config {
  readonly general: { readonly workspace: string; readonly logLevel: LogLevel };
  /** In the file's order, which is the order they are tried in. */
  readonly providers: readonly ProviderConfig[];
  readonly assayer: AssayerConfig;
  readonly routing: { readonly strategy: Strategy };
  readonly polecat: PolecatConfig;
  /** Registries dependencies may be fetched from, beside those the package managers are configured for. */
  readonly environment: { readonly registries: readonly string[] };
  /** One line each, for people; nothing stops. */
  readonly warnings: readonly string[];
}
