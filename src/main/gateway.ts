/** The gateway, wired: the owner of the home that also serves models to other programs; and the tokens of its callers. */
import { randomBytes } from "node:crypto";
import { isIP } from "node:net";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { type Caller, spendOf, type TokenHash } from "../domain/caller.ts";
import { openBook, readBook } from "../edges/callers/book.ts";
import { callersMax, changeCallers, hashOf, newToken, readCallers } from "../edges/callers/callers.ts";
import { roughSize } from "../edges/tokens.ts";
import { openDoor } from "../faces/gateway/door.ts";
import { openMetrics } from "../faces/gateway/metrics.ts";
import { namesOf } from "../faces/gateway/route.ts";
import type { GatewayTools } from "../faces/gateway/tools.ts";
import { type GatewayWish, type TokenLine, type TokenWish, UsageError } from "../faces/house.ts";
import type { Upstream } from "../ports/upstream.ts";
import { lookEveryMs, stampOf } from "./following.ts";
import { keepHome, type Sideline } from "./foreman.ts";
import { requireHome } from "./home.ts";
import { type Inside, realClock } from "./inside.ts";
import { followUpstreams } from "./upstreams.ts";

/** Calls that are out when it is told to stop have so long to end, ms. */
const graceMs = 10_000;

const callersFile = (home: string): string => join(home, "callers.json");
const bookFile = (home: string): string => join(home, "callers.book");

/** See `House.gateway`. */
export async function serveGateway(
  inside: Inside,
  wish: GatewayWish,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const { home } = inside.places;
  requireHome(home);
  const host = wish.host ?? "127.0.0.1";
  if (isIP(host) === 0)
    throw new UsageError(`--host is an address such as 127.0.0.1 or 0.0.0.0, not "${host.slice(0, 60)}"`);
  const hasToken = living(callersIn(home)).length > 0;
  if (!isLoopback(host) && !hasToken)
    throw new UsageError(
      `${host} can be reached by other machines: make a token first, with rigs gateway token create NAME`,
    );
  keepPausesShort();
  const sideline: Sideline = async (owner, tell) => {
    const tools = await owner.tools();
    const book = ofBook(home, (path) => openBook(path, hashesIn(home)));
    const upstreams = await followUpstreams(
      inside,
      tools,
      ({ list, notes }) => {
        for (const line of [...notes, `the configuration is another now: ${modelsLine(list)}`]) tell(line);
      },
      tell,
    ).catch((error: unknown) => {
      book.close();
      throw error;
    });
    const run = randomBytes(6).toString("hex");
    let count = 0;
    try {
      const door = await openDoor(
        {
          ...{ clock: realClock, capacity: tools.capacity, book, patienceMs: wish.patienceMs },
          get upstreams() {
            return upstreams.list;
          },
          ...{ ...lookingUp(callersFile(home)), metrics: openMetrics(), size: roughSize },
          newId: () => `${run}${String(count++).padStart(6, "0")}`,
        },
        { host, port: wish.port },
      );
      for (const note of [...book.notes, ...upstreams.notes]) tell(note);
      tell(`the gateway is at ${door.url}/v1 (OpenAI chat and responses), ${door.url} (Anthropic messages)`);
      tell(modelsLine(upstreams.list));
      if (!hasToken) say(firstToken(home));
      const telling = tellClosures(tools.capacity, tell);
      return {
        async close() {
          tell("the gateway stops: calls that are out may end");
          clearInterval(telling);
          upstreams[Symbol.dispose]();
          await door.close(graceMs);
          book.close();
        },
      };
    } catch (error) {
      upstreams[Symbol.dispose]();
      book.close();
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EADDRINUSE")
        throw new UsageError(`port ${wish.port} is taken: choose another --port, or 0 for any`);
      if (code === "EADDRNOTAVAIL" || code === "EACCES")
        throw new UsageError(
          `cannot listen on ${host} port ${wish.port} (${code}): choose another --host or --port`,
        );
      throw error;
    }
  };
  await keepHome(inside, { workersMax: undefined, log: undefined }, say, signal, sideline);
}

/** Callers hear nothing of the account of a provider; whoever runs the gateway has to. */
function tellClosures(
  capacity: GatewayTools["capacity"],
  tell: (line: string) => void,
): ReturnType<typeof setInterval> {
  const known = new Map<string, string>();
  return setInterval(() => {
    const closures = capacity.closures();
    for (const [provider, { until, why }] of closures) {
      if (until !== Number.POSITIVE_INFINITY || known.get(provider) === why) continue;
      known.set(provider, why);
      tell(`${provider} is asked no more until you mend it: ${why}; then: rigs tank refresh ${provider}`);
    }
    for (const provider of known.keys())
      if (closures.get(provider)?.until !== Number.POSITIVE_INFINITY) {
        known.delete(provider);
        tell(`${provider} is asked again`);
      }
  }, lookEveryMs).unref();
}

/**
 * Every stream waits while memory is collected. The space for what is young goes to its full size at once, so that this is
 * seldom; and one thread does it, because two that wait for each other on busy processors take longer. V8 reads both flags at
 * each collection.
 */
function keepPausesShort(): void {
  setFlagsFromString("--semi-space-growth-factor=8");
  setFlagsFromString("--no-parallel-scavenge");
}

function isLoopback(host: string): boolean {
  return /^127\.\d+\.\d+\.\d+$/.test(host) || host === "::1";
}

function modelsLine(upstreams: readonly Upstream[]): string {
  const names = namesOf(upstreams);
  return names.length === 0
    ? "no provider can be used yet: rigs provider add"
    : `models: ${names.join(", ")}`;
}

/** Said, and not logged: it is the only time. */
function firstToken(home: string): string {
  const token = newToken();
  const wish = { name: "first", usdMax: undefined, tokensMax: undefined, rpm: undefined };
  added(home, { ...wish, hash: hashOf(token) });
  return `token (shown once; it has no bounds, rigs gateway token --help): ${token}`;
}

/** Callers by token. The file is looked at again where it may have changed; while it cannot be read, nobody is let in. */
function lookingUp(path: string): Pick<GatewayTools, "callerOf" | "isWelcome"> {
  let known = new Map<TokenHash, Caller>();
  let stamp: string | undefined;
  let lookedAt = Number.NEGATIVE_INFINITY;
  const found = (hash: TokenHash): Caller | undefined => {
    const now = realClock.now();
    if (Math.abs(now - lookedAt) > lookEveryMs) {
      lookedAt = now;
      const current = stampOf(path);
      if (current !== stamp) {
        const read = readCallers(path);
        known = new Map(living(read.kind === "read" ? read.callers : []).map((each) => [each.hash, each]));
        stamp = current;
      }
    }
    return known.get(hash);
  };
  return {
    callerOf: (token) => found(hashOf(token)),
    isWelcome: ({ hash }) => found(hash) !== undefined,
  };
}

function living(callers: readonly Caller[]): readonly Caller[] {
  return callers.filter(({ revokedAt }) => revokedAt === undefined);
}

function hashesIn(home: string): readonly TokenHash[] {
  return callersIn(home).map(({ hash }) => hash);
}

/** What cannot be read or written there is for a person to mend. */
function ofBook<Value>(home: string, use: (path: string) => Value): Value {
  const path = bookFile(home);
  try {
    return use(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined || error instanceof UsageError) throw error;
    throw new UsageError(
      `${path} cannot be used (${code}): mend it, or move it away; what callers have spent is forgotten then`,
    );
  }
}

function callersIn(home: string): readonly Caller[] {
  const read = readCallers(callersFile(home));
  if (read.kind === "refused") throw new UsageError(read.why);
  return read.callers;
}

function added(home: string, caller: Omit<Caller, "createdAt" | "revokedAt">): void {
  changed(home, (callers) => {
    if (living(callers).some(({ name }) => name === caller.name))
      throw new UsageError(
        `there is a token ${caller.name} already: take it back first, with rigs gateway token revoke ${caller.name}`,
      );
    if (living(callers).length >= callersMax)
      throw new UsageError(`there are ${callersMax} tokens already: take one back first`);
    return [...callers, { ...caller, createdAt: realClock.now(), revokedAt: undefined }];
  });
}

function changed(home: string, change: (callers: readonly Caller[]) => readonly Caller[]): void {
  try {
    changeCallers(callersFile(home), change);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** See `House.createToken`. */
export async function createToken(
  inside: Inside,
  { name, usdMax, tokensMax, rpm }: TokenWish,
): Promise<string> {
  requireHome(inside.places.home);
  const token = newToken();
  added(inside.places.home, { name, usdMax, tokensMax, rpm, hash: hashOf(token) });
  return token;
}

/** See `House.tokens`. */
export async function tokensOf({ places: { home } }: Inside): Promise<readonly TokenLine[]> {
  const callers = callersIn(home);
  const accounts = ofBook(home, (path) => readBook(path, hashesIn(home)));
  return callers.map((caller) => {
    const { name, usdMax, tokensMax, rpm, createdAt, revokedAt } = caller;
    const { requests, usd, inputTokens, outputTokens } = spendOf(accounts, caller.hash);
    const isRevoked = revokedAt !== undefined;
    return {
      name,
      usdMax,
      tokensMax,
      rpm,
      createdAt,
      isRevoked,
      isUnknown: accounts.unknown.has(caller.hash),
      calls: requests,
      usd,
      tokens: inputTokens + outputTokens,
    };
  });
}

/** See `House.revokeToken`. */
export async function revokeToken({ places: { home } }: Inside, name: string): Promise<void> {
  requireHome(home);
  changed(home, (callers) => {
    if (!living(callers).some((each) => each.name === name))
      throw new UsageError(`there is no token ${name.slice(0, 64)}: rigs gateway token list`);
    return callers.map((each) =>
      each.name === name && each.revokedAt === undefined ? { ...each, revokedAt: realClock.now() } : each,
    );
  });
}
