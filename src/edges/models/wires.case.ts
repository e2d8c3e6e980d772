/** A local HTTP server that answers with the golden wire files: the far end of the model edges in their tests. */
import { readFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

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
