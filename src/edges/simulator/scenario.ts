import { open } from "node:fs/promises";
import * as z from "zod";
import { seeded, seedOf } from "../../kit/random.ts";
import { Account } from "./account.ts";

/**
 * A scenario file scripts answers and faults. It is JSON:
 *
 * ```json
 * {
 *   "models": { "some-model": "median" },
 *   "rules": [
 *     { "do": { "kind": "fault", "fault": "rate-limit", "retryAfterSeconds": 2 } },
 *     { "when": { "contains": "test_add", "model": "some-model", "wire": "openai", "call": 3 }, "times": 2,
 *       "do": { "kind": "say", "text": "calc.py\n...", "finish": "stop" } },
 *     { "when": { "matches": "Role: planner" }, "times": "always", "do": { "kind": "hang" } }
 *   ]
 * }
 * ```
 *
 * - `models`: further names on the wire, each behaving as the profile it names.
 * - `rules` are tried in order for each request; the first that fits and is not used up is played. `times` is how often
 *   (1 to 1,000,000 or "always"; 1 when absent), so rules without `when` are a script played request by request.
 * - `when`: all that is given must hold. `contains`: the text appears in the system text or a message. `matches`: the
 *   same with a regular expression (with flag m). `newest`: the text appears in the last message. `model`, `wire`
 *   ("openai" | "responses" | "anthropic" | "gemini" | "ollama" | "triton"), `key`: equal. `call`: the number of the request
 *   at this server, from 1; those that an account's limits refused are not counted. `afterCalls`: so many with this key
 *   came before it. `afterMs`, `beforeMs`: since the server began. `part` (0 to 1): that part of the requests that fit
 *   otherwise, drawn by the seed.
 * - `do`:
 *   - `say`: the text, with `finish` "stop" (when absent), "length" or "refused".
 *   - `fault`: an error in the wire's own form: "rate-limit" (429), "rate-limit-bare" (429 with no header at all), "quota"
 *     (429 that waiting does not mend), "overloaded" (Anthropic 529, others 503), "server-error" (500), "unauthorized"
 *     (401), "billing" (402), "bad-request" (400), "not-found" (404), "too-large" (context exceeded: 400), "body-too-large"
 *     (413). `retryAfterSeconds` (0 to 86,400) is for the first four, `message` replaces the usual text.
 *   - `cut`: the usual answer, but the connection breaks after `afterCharacters` characters of text. A request that does
 *     not stream breaks before its answer.
 *   - `break`: the same with an error instead, `fault` as above, in the stream that began with a 200. A request that does
 *     not stream is answered with that error.
 *   - `slow`: the usual answer after `delayMs` (0 to 600,000): a slow first token.
 *   - `hang`: nothing is ever sent; the connection stays open until the client leaves, at most ten minutes.
 * - `accounts`: limits that hold, counted as the provider does it (quota.ts); without one, nobody is limited and headers
 *   tell of a generous account. The first whose `key` and `models` fit counts a call; one without `key` counts each
 *   key for itself, one without `models` all models together.
 *
 * ```json
 * { "accounts": [ { "key": "sk-one", "models": ["median"],
 *     "limits": { "counting": "anthropic", "rpm": 50, "itpm": 40000, "otpm": 8000, "burstPart": 0.1, "roundTo": 1000,
 *                 "foreign": { "share": 0.3, "everyMs": 5000 } },
 *     "headers": { "form": "usual", "remainingFactor": 1, "resetShiftMs": 0, "dateShiftMs": 0 },
 *     "changes": [ { "afterMs": 60000, "limits": { "rpm": 10 } } ] } ] }
 * ```
 *
 *   - `limits`: `counting` ("anthropic" | "openai" | "gemini" | "concurrency" | "subscription") and any of `rpm`, `tpm`,
 *     `itpm`, `otpm`, `rpd`, `concurrency`, `queueMax` (above `concurrency` so many wait in line), `burstPart` (of a minute's
 *     worth, what may come at once; 1/6), `windows` (each `name` like "5h", `allowance` in weighted tokens, `periodMs`),
 *     `weights` (by model: `input`, `cachedInput`, `output`), `roundTo` (tokens left, as told), `shareStep` (a window's
 *     share, as told), `foreign` (a second client that takes this share of everything). A limit of 0 lets nothing in.
 *   - `headers`: "usual" is the wire's own form (key or subscription; none for Gemini, DeepSeek and local servers); others
 *     are "anthropic", "openai", "codex", "openrouter", "none". `remainingFactor` makes them lie, `resetShiftMs` moves
 *     resets (into the past below 0), `dateShiftMs` the `date` header.
 *   - `changes`: limits that replace their namesakes once so much time has passed since the server began and so many
 *     calls of the account came.
 *
 * Usual faults are rules: a storm `{"when": {"afterMs": 10000, "beforeMs": 40000}, "times": "always", "do": {"kind": "fault",
 * "fault": "overloaded"}}`, a key revoked on the way `{"when": {"key": "sk-one", "afterCalls": 30}, "times": "always", "do":
 * {"kind": "fault", "fault": "unauthorized"}}` (or "billing", "quota"), throttling without a word `{"when": {"part": 0.02},
 * "times": "always", "do": {"kind": "fault", "fault": "rate-limit-bare"}}`.
 *
 * Requests that no rule fits are answered by the profile. Unknown keys are errors, so that a misspelling shows.
 */
export type Scenario = z.infer<typeof Scenario>;
export type ScenarioAction = Scenario["rules"][number]["do"];
export type FaultName = (typeof faultNames)[number];
export type WireName = (typeof wireNames)[number];

export type ScenarioLoad =
  | { readonly kind: "loaded"; readonly scenario: Scenario }
  | { readonly kind: "refused"; readonly why: string };

const bytesMax = 16 * 1024 * 1024;

const faultNames = [
  "rate-limit",
  "rate-limit-bare",
  "quota",
  "overloaded",
  "server-error",
  "unauthorized",
  "billing",
  "bad-request",
  "not-found",
  "too-large",
  "body-too-large",
] as const;

const wireNames = ["openai", "responses", "anthropic", "gemini", "ollama", "triton"] as const;

const pattern = z.string().refine(isPattern, "not a regular expression");

const When = z
  .strictObject({
    contains: z.string(),
    matches: pattern,
    newest: z.string(),
    model: z.string(),
    wire: z.enum(wireNames),
    key: z.string(),
    call: z.int().min(1),
    afterCalls: z.int().min(0),
    afterMs: z.int().min(0),
    beforeMs: z.int().min(0),
    part: z.number().min(0).max(1),
  })
  .partial();

const doKinds = 'what is done has a "kind": say, fault, cut, break, slow or hang';
const Do = z.discriminatedUnion(
  "kind",
  [
    z.strictObject({
      kind: z.literal("say"),
      text: z.string(),
      finish: z.enum(["stop", "length", "refused"]).default("stop"),
    }),
    z.strictObject({
      kind: z.literal("fault"),
      fault: z.enum(faultNames),
      retryAfterSeconds: z.number().min(0).max(86_400).optional(),
      message: z.string().max(10_000).optional(),
    }),
    z.strictObject({ kind: z.literal("cut"), afterCharacters: z.int().min(0) }),
    z.strictObject({
      kind: z.literal("break"),
      afterCharacters: z.int().min(0),
      fault: z.enum(faultNames).default("overloaded"),
    }),
    z.strictObject({ kind: z.literal("slow"), delayMs: z.int().min(0).max(600_000) }),
    z.strictObject({ kind: z.literal("hang") }),
  ],
  // Its own words are of the library, not of the file.
  { error: doKinds },
);

const Scenario = z.strictObject({
  models: z.record(z.string().min(1), z.string().min(1)).default({}),
  rules: z
    .array(
      z.strictObject({
        when: When.default({}),
        times: z.union([z.int().min(1).max(1_000_000), z.literal("always")]).default(1),
        do: Do,
      }),
    )
    .max(10_000)
    .default([]),
  accounts: z.array(Account).max(1_000).default([]),
});

/** Reads a scenario file of at most 16 MiB. Never rejects for what the file is. */
export async function loadScenario(path: string): Promise<ScenarioLoad> {
  try {
    const text = await textIn(path);
    if (text === undefined) return { kind: "refused", why: `${path}: more than ${bytesMax} bytes` };
    const read = readScenario(text);
    return read.kind === "loaded" ? read : { kind: "refused", why: `${path}: ${read.why}` };
  } catch (error) {
    return { kind: "refused", why: `cannot read the scenario ${path}: ${(error as Error).message}` };
  }
}

/** A pipe or a device has no size: what is too long shows while it is read. Undefined: it is. */
async function textIn(path: string): Promise<string | undefined> {
  await using file = await open(path);
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of file.createReadStream({ autoClose: false, end: bytesMax })) {
    parts.push(part as Buffer);
    length += (part as Buffer).length;
  }
  return length > bytesMax ? undefined : Buffer.concat(parts).toString("utf8");
}

/** The scenario in a text, or one line that says what is wrong and where ("rules[2].do.fault: ..."). */
export function readScenario(text: string): ScenarioLoad {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return { kind: "refused", why: `not JSON: ${(error as Error).message}` };
  }
  const parsed = Scenario.safeParse(json);
  if (parsed.success) return { kind: "loaded", scenario: parsed.data };
  const places = parsed.error.issues.map((issue) => `${placeOf(issue.path)}: ${issue.message}`);
  return { kind: "refused", why: places.slice(0, 5).join("; ") };
}

function placeOf(path: readonly PropertyKey[]): string {
  const text = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`)).join("");
  return text.replace(/^\./, "") || "the file";
}

function isPattern(text: string): boolean {
  try {
    new RegExp(text, "m");
    return true;
  } catch {
    return false;
  }
}

/** What a rule looks at. */
export interface Scene {
  readonly wire: WireName;
  readonly model: string;
  /** "" where the request has none. */
  readonly key: string;
  /** The system text and all messages, in order. */
  readonly texts: readonly string[];
  /** The number of this request, from 1. */
  readonly call: number;
  /** Requests with this key before it. */
  readonly callsBefore: number;
  /** Since the server began. */
  readonly sinceMs: number;
}

/** Plays a scenario: remembers which rules are used up. */
export interface Script {
  next(scene: Scene): ScenarioAction | undefined;
}

/** `seed` draws the parts of `part`. */
export function scriptOf(scenario: Scenario, seed: number): Script {
  const played = scenario.rules.map(() => 0);
  return {
    next(scene) {
      const index = scenario.rules.findIndex((rule, each) => {
        return (
          (rule.times === "always" || (played[each] ?? 0) < rule.times) &&
          fits(rule.when, scene, `${seed}/${each}`)
        );
      });
      if (index < 0) return undefined;
      played[index] = (played[index] ?? 0) + 1;
      return scenario.rules[index]?.do;
    },
  };
}

function fits(when: z.infer<typeof When>, scene: Scene, lot: string): boolean {
  const { contains, matches, newest, model, wire, key, call, part } = when;
  if (model !== undefined && model !== scene.model) return false;
  if (wire !== undefined && wire !== scene.wire) return false;
  if (key !== undefined && key !== scene.key) return false;
  if (call !== undefined && call !== scene.call) return false;
  if (scene.callsBefore < (when.afterCalls ?? 0) || scene.sinceMs < (when.afterMs ?? 0)) return false;
  if (when.beforeMs !== undefined && scene.sinceMs >= when.beforeMs) return false;
  if (newest !== undefined && !scene.texts.at(-1)?.includes(newest)) return false;
  if (contains !== undefined && !scene.texts.some((text) => text.includes(contains))) return false;
  if (matches !== undefined && !scene.texts.some((text) => new RegExp(matches, "m").test(text))) return false;
  return part === undefined || seeded(seedOf(`${lot}/${scene.call}`))() < part;
}
