/** A request as it comes in: read whole, within bounds, or refused. */
import { hash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { type Hold, weightOf } from "./hold.ts";
import { promptTokensOf, shapeOf } from "./measure.ts";
import type { Problem, WireName } from "./problem.ts";
import { type Json, parsed } from "./talk.ts";

/** As much as Anthropic takes. */
const bodyBytesMax = 32 * 1_048_576;
/** Objects and lists in one another: far more than any schema of a tool has. */
const depthMax = 200;
/** So much of a body names its series, by a hash: a piece of the text would hold on to all of it. */
const seriesCharacters = 512;

/** A request as it was read. `series` names its beginning. */
export interface Read {
  readonly body: Json;
  readonly inputTokens: number;
  readonly series: string;
}

export interface Reading {
  readonly hold: Hold;
  /** What all requests hold at one moment, bytes. */
  readonly allBytesMax: number;
  /** Where there is no room for it now. */
  full(): Problem;
  /** Tokens of a text, roughly. */
  size(text: string): number;
}

/** The whole request, or why not. Its text is not kept. Rejects where it breaks off. */
export async function requestIn(request: IncomingMessage, reading: Reading): Promise<Read | Problem> {
  const { "content-encoding": encoding, "content-length": length } = request.headers;
  if (encoding !== undefined && encoding !== "identity")
    return {
      kind: "bad-request",
      why: `a body in ${encoding.slice(0, 20)} is not read here`,
      field: "content-encoding",
    };
  if (Number(length ?? 0) > bodyBytesMax) return tooLarge;
  const text = await textIn(request, reading);
  return typeof text === "string" ? understood(text, reading) : text;
}

const tooLarge: Problem = { kind: "body-too-large", why: `a request has at most ${bodyBytesMax} bytes` };

/** Plain events: an iterator of promises costs as much as the rest of reading a small request. */
function textIn(request: IncomingMessage, { hold, full }: Reading): Promise<string | Problem> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    let isOver = false;
    const refused = (problem: Problem) => {
      isOver = true;
      request.off("data", hear).pause();
      resolve(problem);
    };
    const hear = (part: Buffer) => {
      bytes += part.byteLength;
      if (bytes > bodyBytesMax) return refused(tooLarge);
      if (!hold.take(bytes)) return refused(full());
      parts.push(part);
    };
    request.on("data", hear);
    request.once("end", () => {
      isOver = true;
      const [only] = parts;
      resolve((parts.length === 1 && only !== undefined ? only : Buffer.concat(parts)).toString("utf8"));
    });
    request.once("error", reject);
    // Every request closes, and an error looks for its stack.
    request.once("close", () => {
      if (!isOver) reject(new Error("the request broke off"));
    });
  });
}

function understood(text: string, { hold, allBytesMax, full, size }: Reading): Read | Problem {
  const bad = (why: string): Problem => ({ kind: "bad-request", why, field: undefined });
  const { depth, values } = shapeOf(text);
  if (depth > depthMax) return bad(`the body has more than ${depthMax} objects and lists in one another`);
  const weight = weightOf(text, values);
  if (weight > allBytesMax) return { kind: "body-too-large", why: `the body has too many values: ${values}` };
  if (!hold.take(weight)) return full();
  const body = parsed(text);
  if (body === undefined) return bad("the body is no JSON object");
  return {
    body,
    inputTokens: promptTokensOf(text, body, size),
    series: hash("sha1", text.slice(0, seriesCharacters)),
  };
}

export function tokenIn({ headers }: IncomingMessage): string | undefined {
  const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? "")?.[1];
  const token = bearer ?? headers["x-api-key"];
  return typeof token === "string" && token.length <= 200 ? token : undefined;
}

/** What belongs to the wire and not to the connection or the caller. */
export function headersOf(wire: WireName, { headers }: IncomingMessage): Readonly<Record<string, string>> {
  if (wire !== "messages") return {};
  const beta = headers["anthropic-beta"];
  const version = headers["anthropic-version"];
  return {
    "anthropic-version": typeof version === "string" ? version : "2023-06-01",
    ...(typeof beta === "string" ? { "anthropic-beta": beta } : {}),
  };
}
