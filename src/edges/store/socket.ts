/**
 * The owner's local socket: JSON lines `{id, method, params}` answered by `{id, result}` or `{id, error}`.
 *
 * 1. It lies in a folder of mode 0700 that is checked by both sides; the socket itself is 0600.
 * 2. Lines, connections and waiting are bounded; one connection's calls are answered one after the other.
 * 3. Only the owner serves, so a socket that lies there before is stale and is replaced.
 */
import { createHash } from "node:crypto";
import { chmodSync, lstatSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { dirname, join, resolve } from "node:path";
import { assert } from "../../kit/assert.ts";
import { StoreError } from "../../ports/store.ts";
import { makePrivateFolder, requirePrivateFolder } from "./folder.ts";
import { lines } from "./lines.ts";
import { ownerFolder } from "./owner.ts";

/** Longest request and longest answer, in bytes. */
export const lineBytesMax = 1_048_576;

/** Connections at once; more are closed at once. */
export const connectionsMax = 64;

/** How long a connection may say nothing between its calls. */
const idleMsMax = 30_000;

/** sockaddr_un holds 108 bytes on Linux and 104 elsewhere, the final zero included (unix(7)). */
const pathBytesMax = 100;

/** What the owner can be asked, by name. */
export type Methods = Readonly<Record<string, { readonly params: unknown; readonly result: unknown }>>;

/**
 * One handler a method. `params` came over a wire and is parsed by the handler; what it throws becomes the one-line
 * error. `signal` aborts when the caller is gone or the server closes.
 */
export type Handlers<Asked extends Methods> = {
  readonly [Name in keyof Asked]: (params: unknown, signal: AbortSignal) => Promise<Asked[Name]["result"]>;
};

/** `refused`: the owner's own words. `no-owner`: nobody answers there. `unanswered`: it ended first, and may have done it. */
export type Called<Result> =
  | { readonly kind: "answered"; readonly result: Result }
  | { readonly kind: "refused"; readonly why: string }
  | { readonly kind: "no-owner" }
  | { readonly kind: "unanswered" };

export interface Serving {
  /** Stops listening, aborts what is being handled, closes every connection. */
  close(): Promise<void>;
}

/**
 * Where the owner of a home listens. A home whose path is too long for a socket gets a folder named after its hash
 * below /tmp, the same for every process whatever its TMPDIR.
 */
export function socketPath(home: string): string {
  const near = join(resolve(ownerFolder(home)), "socket");
  if (Buffer.byteLength(near) <= pathBytesMax) return near;
  const name = createHash("sha256").update(resolve(home)).digest("hex").slice(0, 16);
  return join("/tmp", `rigs-${process.getuid?.() ?? 0}-${name}`, "socket");
}

/** Listens at `path` (of `socketPath`). Call only as the owner. Rejects with StoreError when the place cannot be used. */
export async function serveOwner<Asked extends Methods>(
  path: string,
  handlers: Handlers<Asked>,
): Promise<Serving> {
  makePrivateFolder(dirname(path));
  removeStale(path);
  const stop = new AbortController();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    void converse(socket, handlers, stop.signal).catch(() => socket.destroy());
  });
  server.maxConnections = connectionsMax;
  await listening(server, path);
  chmodSync(path, 0o600);
  return {
    close: async () => {
      stop.abort(new Error("the owner is ending"));
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((end) => server.close(() => end()));
    },
  };
}

/**
 * Asks the owner one thing over a connection of its own. Rejects only with `signal.reason`. The result is believed to
 * have the method's type: both ends are the same user's; a result that must be certain is parsed by the caller.
 */
export async function callOwner<Asked extends Methods, Name extends keyof Asked & string>(
  path: string,
  method: Name,
  params: Asked[Name]["params"],
  signal: AbortSignal,
): Promise<Called<Asked[Name]["result"]>> {
  signal.throwIfAborted();
  const request = `${JSON.stringify({ id: 1, method, params })}\n`;
  if (Buffer.byteLength(request) > lineBytesMax)
    return { kind: "refused", why: `the request is longer than ${lineBytesMax} bytes` };
  try {
    requirePrivateFolder(dirname(path));
  } catch (error) {
    if (error instanceof StoreError) return { kind: "refused", why: error.message };
    return { kind: "no-owner" };
  }
  const socket = connect(path);
  const abort = () => socket.destroy();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await exchange(socket, request);
  } finally {
    signal.removeEventListener("abort", abort);
    socket.destroy();
    signal.throwIfAborted();
  }
}

/** A failed connection is nobody there; one that ends without an answer is an owner that died over the call. */
async function exchange<Result>(socket: Socket, request: string): Promise<Called<Result>> {
  try {
    await new Promise<void>((done, fail) => {
      socket.once("error", fail);
      // Destroyed by an abort it says nothing but this.
      socket.once("close", () => fail(new Error("closed")));
      socket.once("connect", done);
    });
  } catch {
    return { kind: "no-owner" };
  }
  try {
    socket.write(request);
    for await (const line of lines(socket, lineBytesMax)) return answerOf<Result>(line);
  } catch {
    // Said below.
  }
  return { kind: "unanswered" };
}

function answerOf<Result>(line: string): Called<Result> {
  const { result, error } = JSON.parse(line) as { readonly result?: Result; readonly error?: string };
  if (error !== undefined) return { kind: "refused", why: String(error) };
  return { kind: "answered", result: result as Result };
}

async function converse<Asked extends Methods>(
  socket: Socket,
  handlers: Handlers<Asked>,
  stopped: AbortSignal,
): Promise<void> {
  const gone = new AbortController();
  socket.on("error", () => socket.destroy());
  socket.once("close", () => gone.abort(new Error("the caller is gone")));
  socket.setTimeout(idleMsMax, () => socket.destroy());
  const signal = AbortSignal.any([gone.signal, stopped]);
  try {
    // Kept open past a line that is too long, so that the caller hears why.
    for await (const line of lines(socket.iterator({ destroyOnReturn: false }), lineBytesMax)) {
      socket.setTimeout(0);
      await written(socket, await answer(line, handlers, signal));
      socket.setTimeout(idleMsMax);
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    await written(socket, JSON.stringify({ id: null, error: error.message }));
  }
  socket.end();
}

async function answer<Asked extends Methods>(
  line: string,
  handlers: Handlers<Asked>,
  signal: AbortSignal,
): Promise<string> {
  let id: unknown = null;
  try {
    const request: unknown = JSON.parse(line);
    assert(typeof request === "object" && request !== null, "a request is an object");
    const { method, params, ...rest } = request as Record<string, unknown>;
    id = rest.id ?? null;
    if (typeof method !== "string" || !Object.hasOwn(handlers, method))
      return JSON.stringify({ id, error: `there is no method ${JSON.stringify(method)}` });
    const result = await present(handlers, method)(params, signal);
    const text = JSON.stringify({ id, result: result ?? null });
    if (Buffer.byteLength(text) < lineBytesMax) return text;
    return JSON.stringify({ id, error: `the answer is longer than ${lineBytesMax} bytes` });
  } catch (error) {
    return JSON.stringify({ id, error: oneLine(error) });
  }
}

function present<Asked extends Methods>(handlers: Handlers<Asked>, method: string) {
  const handler = handlers[method];
  assert(handler !== undefined, "the method was looked up before");
  return handler;
}

function oneLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replaceAll(/\s*\n\s*/g, " ").slice(0, 1_000);
}

async function written(socket: Socket, text: string): Promise<void> {
  if (socket.destroyed) return;
  await new Promise<void>((done) => socket.write(`${text}\n`, () => done()));
}

function removeStale(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw new StoreError(`${path} is in the way of the owner's socket: remove it`);
  rmSync(path);
}

async function listening(server: Server, path: string): Promise<void> {
  await new Promise<void>((done, fail) => {
    server.once("error", (error) => fail(new StoreError(`cannot listen at ${path}: ${error.message}`)));
    server.listen(path, done);
  });
}
