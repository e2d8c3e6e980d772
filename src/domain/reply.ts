/** What comes back from a model, whatever wire it travelled on. Wire words stop at the edge. */
import type { Reading } from "./reading.ts";

/** Tokens as the provider counted them. `cachedInput` is contained in `input`; a provider that says nothing gives 0. */
export interface Usage {
  readonly input: number;
  readonly cachedInput: number;
  readonly output: number;
}

export const noUsage: Usage = { input: 0, cachedInput: 0, output: 0 };

export function addUsage(left: Usage, right: Usage): Usage {
  return {
    input: left.input + right.input,
    cachedInput: left.cachedInput + right.cachedInput,
    output: left.output + right.output,
  };
}

/** How far below what was seen a report of usage may lie before it is no report: texts are sized roughly. */
const seenFactor = 3;
/** And by how many tokens: of a short text our own size is mostly the frame that the wire puts around it. */
const seenTokens = 256;

/**
 * Usage as it has to be counted: servers that report none, or a fraction of what went over the wire, are not believed.
 * `seen` is sized by ourselves: the prompt that was sent and the text that came back. Never less than was reported.
 */
export function atLeastSeen(
  reported: Usage,
  seen: { readonly input: number; readonly output: number },
): Usage {
  return {
    input: believed(reported.input, seen.input),
    cachedInput: reported.cachedInput,
    output: believed(reported.output, seen.output),
  };
}

function believed(reported: number, seen: number): number {
  const isReport = reported > 0 && (reported * seenFactor >= seen || seen - reported <= seenTokens);
  return isReport ? reported : Math.max(reported, seen);
}

/** Beyond so many times what was sent, or what was allowed, usage is no count of this call. */
const possibleFactor = 8;
/** What wires add of their own: frames, hidden reasoning of small answers. */
const possibleMore = 20_000;

/** Usage of a call as far as it can be true: `input` is our own count of the prompt, `outputMax` the bound of the answer. */
export function atMostPossible(
  reported: Usage,
  asked: { readonly input: number; readonly outputMax: number },
): Usage {
  const input = Math.min(reported.input, possibleFactor * asked.input + possibleMore);
  const output = Math.min(reported.output, possibleFactor * asked.outputMax + possibleMore);
  return { input, cachedInput: Math.min(reported.cachedInput, input), output };
}

/** Why the text ended. `length` means the answer was cut and must not be believed whole. */
export type Finish = "stop" | "length" | "refused" | "other";

/**
 * The one taxonomy of provider failures.
 * - throttle: a short limit; the same request may succeed at `retryAt` (ms since the epoch), undefined when the provider does not say.
 * - window: a day, 5-hour or week window is used up until `resetAt`; undefined when the provider does not say.
 * - capacity: the provider is overloaded, broken or out of reach; nothing is wrong with the request.
 * - billing: no money or no plan; nothing but a person can mend it.
 * - auth: the key is missing, wrong or revoked.
 * - request: this request is malformed or unwelcome; repeating it cannot help.
 * - too-large: the prompt does not fit the model's context.
 */
export type Fault =
  | { readonly kind: "throttle"; readonly retryAt: number | undefined; readonly why: string }
  | { readonly kind: "window"; readonly resetAt: number | undefined; readonly why: string }
  | { readonly kind: "capacity"; readonly why: string }
  | {
      readonly kind: "billing";
      readonly why: string;
      /** The plan does not include this model, whatever else it includes; undefined: the account itself. */
      readonly isOfModel?: true | undefined;
    }
  | {
      readonly kind: "auth";
      readonly why: string;
      /** Only this use of the key is forbidden (a model, a feature); undefined: the key itself is refused. */
      readonly isOfUse?: true | undefined;
    }
  | {
      readonly kind: "request";
      readonly why: string;
      /** The server knows no such address or model: whoever configured it can mend that; undefined: the request itself. */
      readonly isOfPlace?: true | undefined;
    }
  | { readonly kind: "too-large"; readonly why: string };

/** `headers` are the response's own, lower-case names; empty where there was no response. `wallMs` is the whole call. */
export type Reply =
  | {
      readonly kind: "said";
      readonly text: string;
      readonly finish: Finish;
      readonly usage: Usage;
      readonly headers: Readonly<Record<string, string>>;
      readonly wallMs: number;
    }
  | {
      readonly kind: "failed";
      readonly fault: Fault;
      readonly usage: Usage;
      readonly headers: Readonly<Record<string, string>>;
      /** What the error's body says of limits, beside its headers. */
      readonly readings: readonly Reading[];
      readonly wallMs: number;
    };

/** A limit or an overload is news, not a result: repeating the same call later can end otherwise (invariant 9). */
export function isFinal(reply: Reply): boolean {
  return reply.kind === "said" || isFinalFault(reply.fault);
}

/** The same of a failure alone. */
export function isFinalFault({ kind }: Fault): boolean {
  return kind !== "throttle" && kind !== "window" && kind !== "capacity";
}
