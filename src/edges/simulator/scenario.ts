import { readFile, stat } from "node:fs/promises";
import * as z from "zod";

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
 *   ("openai" | "anthropic"): equal. `call`: the number of the request at this server, from 1.
 * - `do`:
 *   - `say`: the text, with `finish` "stop" (when absent), "length" or "refused".
 *   - `fault`: an error in the wire's own form: "rate-limit" (429), "rate-limit-bare" (429 with no header at all), "quota"
 *     (429 that waiting does not mend), "overloaded" (Anthropic 529, OpenAI 503), "server-error" (500), "unauthorized"
 *     (401), "billing" (402), "bad-request" (400), "not-found" (404), "too-large" (context exceeded: 400), "body-too-large"
 *     (413). `retryAfterSeconds` (0 to 86,400) is for the first three, `message` replaces the usual text.
 *   - `cut`: the usual answer, but the connection breaks after `afterCharacters` characters of text. A request that does
 *     not stream breaks before its answer.
 *   - `slow`: the usual answer after `delayMs` (0 to 600,000).
 *   - `hang`: nothing is ever sent; the connection stays open until the client leaves, at most ten minutes.
 *
 * Requests that no rule fits are answered by the profile. Unknown keys are errors, so that a misspelling shows.
 */
export type Scenario = z.infer<typeof Scenario>;
export type ScenarioAction = Scenario["rules"][number]["do"];
export type FaultName = (typeof faultNames)[number];

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

const pattern = z.string().refine(isPattern, "not a regular expression");

const When = z
  .strictObject({
    contains: z.string(),
    matches: pattern,
    newest: z.string(),
    model: z.string(),
    wire: z.enum(["openai", "anthropic"]),
    call: z.int().min(1),
  })
  .partial();

const Do = z.discriminatedUnion("kind", [
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
  z.strictObject({ kind: z.literal("slow"), delayMs: z.int().min(0).max(600_000) }),
  z.strictObject({ kind: z.literal("hang") }),
]);

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
});

/** Reads a scenario file of at most 16 MiB. Never rejects for what the file is. */
export async function loadScenario(path: string): Promise<ScenarioLoad> {
  try {
    const { size } = await stat(path);
    if (size > bytesMax) return { kind: "refused", why: `${path}: ${size} bytes, more than ${bytesMax}` };
    const read = readScenario(await readFile(path, "utf8"));
    return read.kind === "loaded" ? read : { kind: "refused", why: `${path}: ${read.why}` };
  } catch (error) {
    return { kind: "refused", why: `cannot read the scenario ${path}: ${(error as Error).message}` };
  }
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
  readonly wire: "openai" | "anthropic";
  readonly model: string;
  /** The system text and all messages, in order. */
  readonly texts: readonly string[];
  /** The number of this request, from 1. */
  readonly call: number;
}

/** Plays a scenario: remembers which rules are used up. */
export interface Script {
  next(scene: Scene): ScenarioAction | undefined;
}

export function scriptOf(scenario: Scenario): Script {
  const played = scenario.rules.map(() => 0);
  return {
    next(scene) {
      const index = scenario.rules.findIndex((rule, each) => {
        return (rule.times === "always" || (played[each] ?? 0) < rule.times) && fits(rule.when, scene);
      });
      if (index < 0) return undefined;
      played[index] = (played[index] ?? 0) + 1;
      return scenario.rules[index]?.do;
    },
  };
}

function fits(when: z.infer<typeof When>, scene: Scene): boolean {
  const { contains, matches, newest, model, wire, call } = when;
  if (model !== undefined && model !== scene.model) return false;
  if (wire !== undefined && wire !== scene.wire) return false;
  if (call !== undefined && call !== scene.call) return false;
  if (newest !== undefined && !scene.texts.at(-1)?.includes(newest)) return false;
  if (contains !== undefined && !scene.texts.some((text) => text.includes(contains))) return false;
  return matches === undefined || scene.texts.some((text) => new RegExp(matches, "m").test(text));
}
