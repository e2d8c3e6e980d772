/** A local HTTP server that answers with the golden wire files: the far end of the model edges in their tests. */
import { readFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "vitest";
import type { Reply } from "../../domain/reply.ts";
import { caseNow, casePrompt } from "../../ports/model.case.ts";
import type { Model, Prompt } from "../../ports/model.ts";
import { Secret } from "../config/secret.ts";
import { defaultAnswerBytesMax, type WireSettings } from "./wire.ts";

/** A key that no reply may show. */
export const canary = "sk-canary-4f1b9c2e7d/+=aa";

/** Of an edge that asks the server at this address. */
export function caseSettings(baseUrl: string, changes: Partial<WireSettings> = {}): WireSettings {
  return {
    provider: "work",
    name: "case-model",
    price: undefined,
    baseUrl,
    key: new Secret(canary),
    keyName: "WORK_KEY",
    timeoutMs: 20_000,
    answerBytesMax: defaultAnswerBytesMax,
    now: () => caseNow,
    ...changes,
  };
}

/** The same question both ways, whole, then streamed; and what no reply may ever show is looked for. */
export async function askBothWays(
  open: (url: string) => Model,
  respond: Respond,
  prompt: Prompt = casePrompt,
): Promise<readonly Reply[]> {
  const all: Reply[] = [];
  for (const onText of [undefined, () => undefined]) {
    await using server = await serveWire(respond);
    const reply = await open(server.url).ask(prompt, AbortSignal.timeout(20_000), onText);
    expect(server.received.length, "one request").toBe(1);
    expect(JSON.stringify(reply)).not.toContain(canary);
    all.push(reply);
  }
  return all;
}

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: { readonly stream?: boolean } & Readonly<Record<string, unknown>>;
}

/** `respond` gets the parsed request; the server closes with `await using`. */
export interface WireServer extends AsyncDisposable {
  readonly url: string;
  readonly received: readonly Received[];
  readonly asked: Promise<void>;
  readonly closed: Promise<void>;
}

export type Respond = (request: Received, response: ServerResponse) => void;

export async function serveWire(respond: Respond): Promise<WireServer> {
  const received: Received[] = [];
  const asked = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const server = createServer((request, response) => {
    response.on("close", closed.resolve);
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = JSON.parse(Buffer.concat(chunks).toString() || "{}") as Received["body"];
      const { method = "", url = "", headers } = request;
      const each = { method, path: url, headers, body };
      received.push(each);
      asked.resolve();
      respond(each, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    asked: asked.promise,
    closed: closed.promise,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export interface Golden {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A golden file: the status alone on a line, headers, an empty line, the body. `{{key}}` stands for the key that was sent. */
export function golden(path: string): Golden {
  const text = readFileSync(new URL(`../../../test/golden/wires/${path}`, import.meta.url), "utf8");
  const end = text.indexOf("\n\n");
  const [status = "", ...lines] = text.slice(0, end).split("\n");
  const headers = lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]);
  return { status: Number(status), headers: Object.fromEntries(headers), body: text.slice(end + 2) };
}

/** Writes the file as a server would: streams event by event. */
export function answerGolden(path: string): Respond {
  const { status, headers, body } = golden(path);
  return ({ headers: sent }, response) => {
    const key =
      sent.authorization?.replace("Bearer ", "") ?? String(sent["x-api-key"] ?? sent["x-goog-api-key"] ?? "");
    response.writeHead(status, headers);
    for (const piece of body.replaceAll("{{key}}", key).split(/(?<=\n\n)/)) response.write(piece);
    response.end();
  };
}

/** The stream variant where the request asks for one and the file has one. */
export function answerEither(folder: string, name: string): Respond {
  return (request, response) => {
    const ending = isStreamed(request) ? "-stream" : "";
    answerGolden(`${folder}/${name}${ending}.http`)(request, response);
  };
}

/** Google and Triton say it in the path, the others in the body. */
export function isStreamed({ path, body }: Received): boolean {
  return body.stream === true || /:streamGenerateContent|\/generate_stream$/.test(path);
}
