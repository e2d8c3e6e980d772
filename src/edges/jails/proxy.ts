/**
 * The only way out of a jail: a proxy on a socket file, which lets through exact hosts and nothing else. It decides and
 * connects with the same parsed value, resolves once, and hands no name server to the jail.
 */
import { lookup as systemLookup } from "node:dns/promises";
import { chmod, chown, open } from "node:fs/promises";
import {
  createServer,
  type IncomingMessage,
  request as requestOf,
  type Server,
  type ServerResponse,
} from "node:http";
import { connect, isIP, type Socket } from "node:net";
import { printable } from "../../kit/bounded.ts";
import { type AllowedHost, parseTarget, reachOf } from "./addresses.ts";

export interface ProxyOptions {
  /** An existing folder of its own; the proxy listens on `socket` in it. */
  readonly folder: string;
  /** Who besides this process may connect; undefined when the jail runs as the same user. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  readonly allowed: readonly AllowedHost[];
  /** "host:port" names that the user's own configuration says may lead to a private address. */
  readonly privateHosts: readonly string[];
  /** Both directions together, for the life of the proxy. */
  readonly bytesMax: number;
  readonly lookup?: Lookup;
}

export type Lookup = (host: string) => Promise<readonly string[]>;

export interface OpenProxy {
  /** What was asked for and not let through, made printable: each once, the first 20. */
  refusedHosts(): readonly string[];
  /** Cuts every connection and removes the socket. */
  close(): Promise<void>;
}

const refusedHostsMax = 20;
const connectionsMax = 64;
const idleMsMax = 60_000;

const resolve: Lookup = async (host) =>
  (await systemLookup(host, { all: true })).map(({ address }) => address);

export type Decision =
  | { readonly kind: "go"; readonly address: string; readonly port: number; readonly host: string }
  | { readonly kind: "refused"; readonly why: string };

/** What may be connected to for this exact target, decided before a byte leaves. Never rejects. */
export async function decide(
  ask: { readonly kind: AllowedHost["kind"]; readonly target: string },
  options: Pick<ProxyOptions, "allowed" | "privateHosts" | "lookup">,
): Promise<Decision> {
  const parsed = parseTarget(ask.target);
  if (parsed === undefined) return { kind: "refused", why: "not a plain host:port" };
  if (!options.allowed.some(({ kind, target }) => kind === ask.kind && target === ask.target))
    return { kind: "refused", why: "not on the allow-list" };
  const { host, port } = parsed;
  const addresses = await addressesOf(host, options.lookup ?? resolve);
  const [address] = addresses.filter((each) => isIP(each) === 4).concat(addresses);
  if (address === undefined) return { kind: "refused", why: "the name has no address" };
  // One bad answer spoils all: which of them would be used must not matter.
  const isVouched = isIP(host) !== 0 || host === "localhost" || options.privateHosts.includes(ask.target);
  const bad = addresses.find(
    (each) => reachOf(each) === "never" || (reachOf(each) === "private" && !isVouched),
  );
  if (bad !== undefined)
    return { kind: "refused", why: `the name leads to ${bad}, a private or special address` };
  return { kind: "go", address, port, host };
}

async function addressesOf(host: string, lookup: Lookup): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host];
  if (host === "localhost") return ["127.0.0.1"];
  try {
    return await lookup(host);
  } catch {
    return [];
  }
}

/** Rejects when the socket cannot be made. */
export async function openProxy(options: ProxyOptions): Promise<OpenProxy> {
  const ledger = newLedger(options.bytesMax);
  const server = createServer({ headersTimeout: 10_000, requestTimeout: 0, maxHeaderSize: 16_384 });
  server.maxConnections = connectionsMax;
  server.on("connection", ledger.track);
  server.on("connect", (request: IncomingMessage, client: Socket, head: Buffer) => {
    void tunnel(request.url ?? "", { client, head }, options, ledger);
  });
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    void relay(request, response, options, ledger);
  });
  server.on("clientError", (_error, socket) => {
    ledger.refuse("a malformed request");
    socket.destroy();
  });
  server.on("upgrade", (_request, socket) => socket.destroy());
  await listen(server, options);
  return {
    refusedHosts: ledger.refused,
    close: async () => {
      const closed = new Promise((done) => server.close(done));
      ledger.cut();
      await closed;
    },
  };
}

/** What all connections of one proxy share. */
interface Ledger {
  refuse(target: string): void;
  refused(): readonly string[];
  /** Follows a connection: idle time, errors, the end of the proxy. */
  track(socket: Socket): Socket;
  /** Counts bytes; the one too many cuts everything. */
  spend(bytes: number): void;
  isSpent(): boolean;
  cut(): void;
}

function newLedger(bytesMax: number): Ledger {
  const refused = new Set<string>();
  const sockets = new Set<Socket>();
  let bytesLeft = bytesMax;
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    refuse: (target) => {
      if (refused.size < refusedHostsMax) refused.add(printable(target.slice(0, 200)));
    },
    refused: () => [...refused],
    track: (socket) => {
      sockets.add(socket);
      socket.setTimeout(idleMsMax, () => socket.destroy());
      socket.on("error", () => socket.destroy());
      socket.on("close", () => sockets.delete(socket));
      return socket;
    },
    spend: (bytes) => {
      bytesLeft -= bytes;
      if (bytesLeft < 0) cut();
    },
    isSpent: () => bytesLeft < 0,
    cut,
  };
}

interface Caller {
  readonly client: Socket;
  /** What came behind the request's head already. */
  readonly head: Buffer;
}

async function tunnel(
  target: string,
  { client, head }: Caller,
  options: ProxyOptions,
  ledger: Ledger,
): Promise<void> {
  const decision = await decide({ kind: "tunnel", target }, options);
  if (decision.kind === "refused" || ledger.isSpent()) {
    ledger.refuse(target);
    client.end("HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    return;
  }
  if (client.destroyed) return;
  const upstream = ledger.track(connect(decision.port, decision.address));
  upstream.once("connect", () => {
    client.write("HTTP/1.1 200 Connection established\r\n\r\n");
    upstream.write(head);
    ledger.spend(head.length);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on("data", (chunk: Buffer) => ledger.spend(chunk.length));
      from.pipe(to);
    }
  });
  upstream.once("error", () => client.end("HTTP/1.1 502 Bad Gateway\r\nconnection: close\r\n\r\n"));
  upstream.once("close", () => client.destroySoon());
  client.once("close", () => upstream.destroy());
}

/** Plain http: only reading, only to hosts that were named as http. */
async function relay(
  request: IncomingMessage,
  response: ServerResponse,
  options: ProxyOptions,
  ledger: Ledger,
): Promise<void> {
  const { target, path } = splitAbsolute(request.url ?? "");
  const isReading = request.method === "GET" || request.method === "HEAD";
  const decision = await decide({ kind: "plain", target }, options);
  if (decision.kind === "refused" || !isReading || ledger.isSpent()) {
    ledger.refuse(target);
    response.writeHead(403, { connection: "close" }).end();
    return;
  }
  const onward = requestOf({
    host: decision.address,
    port: decision.port,
    method: request.method ?? "GET",
    path,
    headers: { ...endToEnd(request.headers), host: target.replace(/:80$/, "") },
    agent: false,
  });
  onward.on("socket", ledger.track);
  onward.on("response", (answer) => {
    response.writeHead(answer.statusCode ?? 502, endToEnd(answer.headers));
    answer.on("data", (chunk: Buffer) => ledger.spend(chunk.length));
    answer.pipe(response);
  });
  onward.on("error", () => (response.headersSent ? response.destroy() : response.writeHead(502).end()));
  response.on("close", () => onward.destroy());
  onward.end();
}

/** Through the folder's descriptor, because a socket's name may have 107 bytes only. */
async function listen(server: Server, { folder, owner }: ProxyOptions): Promise<void> {
  await using handle = await open(folder);
  const socket = `/proc/self/fd/${handle.fd}/socket`;
  await new Promise<void>((done, fail) => {
    server.once("error", fail);
    server.listen(socket, done);
  });
  await chmod(socket, 0o600);
  if (owner === undefined) return;
  await chown(socket, owner.uid, owner.gid);
  await chown(folder, owner.uid, owner.gid);
}

/** "http://host[:port]/path" by text alone: a URL parser would repair what must be refused. */
function splitAbsolute(url: string): { readonly target: string; readonly path: string } {
  const [, authority = "", path = ""] = /^http:\/\/([^/?#]*)(.*)$/s.exec(url) ?? [];
  if (authority === "") return { target: url, path: "/" };
  const target = /:\d*$/.test(authority) ? authority : `${authority}:80`;
  return { target, path: path.startsWith("/") ? path : `/${path}` };
}

const hopByHop = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

function endToEnd(headers: IncomingMessage["headers"]): Record<string, string | string[]> {
  const kept: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined && !hopByHop.has(name)) kept[name] = value;
  return kept;
}
