/** The gateway over real HTTP with the real tanks behind it, in this process. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Caller } from "../../src/domain/caller.ts";
import { openBook } from "../../src/edges/callers/book.ts";
import { hashOf, newToken } from "../../src/edges/callers/callers.ts";
import { parseConfig } from "../../src/edges/config/parse.ts";
import { readingsOf } from "../../src/edges/models/readings.ts";
import { roughSize } from "../../src/edges/tokens.ts";
import { openUpstream } from "../../src/edges/upstream/upstream.ts";
import { type DoorBounds, openDoor } from "../../src/faces/gateway/door.ts";
import { openMetrics } from "../../src/faces/gateway/metrics.ts";
import { realClock } from "../../src/main/inside.ts";
import { sourceOf } from "../../src/main/source.ts";
import { Capacity } from "../../src/work/capacity.ts";
import { Estimates } from "../../src/work/estimates.ts";

/** What no caller may ever see. */
export const canary = "sk-canary-7f3a9b2c5d8e1f60";

export interface Rig extends AsyncDisposable {
  readonly url: string;
  readonly token: string;
  readonly capacity: Capacity;
  readonly bookPath: string;
  /** Calls that hold a place in some tank. */
  leases(): number;
  /** A token with bounds. */
  tokenFor(bounds: Partial<Caller>): string;
  revoke(token: string): void;
  spend(token: string): { readonly tokens: number; readonly reserved: number; readonly usd: number };
  close(graceMs?: number): Promise<void>;
}

export interface RigOptions {
  /** `config.toml`. */
  readonly config: string;
  readonly patienceMs?: number;
  readonly bounds?: DoorBounds;
  /** How far the clock of the door is off, ms. */
  readonly offMs?: () => number;
}

export async function openRig({
  config: text,
  patienceMs = 5_000,
  bounds,
  offMs = () => 0,
}: RigOptions): Promise<Rig> {
  const parsed = parseConfig(text, { place: "config.toml", installed: new Set() });
  if (parsed.kind === "refused") throw new Error(parsed.faults.join("\n"));
  const { providers } = parsed.config;
  const clock = realClock;
  const capacity = new Capacity({
    estimates: new Estimates(),
    ...{ clock, random: () => 0.5, callMsMax: 60_000, patienceMs: 2_000 },
    patience: () => ({ baseMs: 200, maxMs: 1_000 }),
    read: ({ headers }) => readingsOf(headers, clock.now()),
    changed: () => undefined,
  });
  const variables = { RIG_KEY: canary };
  const upstreams = providers.flatMap((provider) => {
    const opened = openUpstream(provider, { variables, now: () => clock.now(), price: provider.price });
    if (opened.kind === "unusable") throw new Error(opened.why);
    capacity.offer(sourceOf(provider, Date.now(), variables));
    return [{ ...opened.upstream, source: provider.name }];
  });
  const folder = mkdtempSync(join(tmpdir(), "rigs-gateway-"));
  const bookPath = join(folder, "callers.book");
  const book = openBook(bookPath);
  const callers = new Map<string, Caller>();
  const tokenFor = (bounds: Partial<Caller>): string => {
    const token = newToken();
    const hash = hashOf(token);
    const none = { usdMax: undefined, tokensMax: undefined, rpm: undefined };
    callers.set(hash, {
      name: `caller-${callers.size}`,
      hash,
      ...none,
      createdAt: 0,
      revokedAt: undefined,
      ...bounds,
    });
    return token;
  };
  let count = 0;
  const door = await openDoor(
    {
      ...{ clock, capacity, upstreams, book, patienceMs, metrics: openMetrics(), size: roughSize },
      clock: { ...clock, now: () => clock.now() + offMs() },
      callerOf: (token) => callers.get(hashOf(token)),
      isWelcome: ({ hash }) => callers.has(hash),
      newId: () => `call${String(count++)}`,
    },
    { host: "127.0.0.1", port: 0 },
    bounds,
  );
  let isOpen = true;
  const close = async (graceMs = 0) => {
    if (!isOpen) return;
    isOpen = false;
    await door.close(graceMs);
    book.close();
  };
  return {
    ...{ url: door.url, token: tokenFor({}), capacity, bookPath, tokenFor, close },
    revoke: (token) => void callers.delete(hashOf(token)),
    leases: () => [...capacity.tanks().values()].reduce((sum, tank) => sum + tank.leases.length, 0),
    spend(token) {
      const spend = book.accounts.spends.get(hashOf(token));
      return {
        tokens: (spend?.inputTokens ?? 0) + (spend?.outputTokens ?? 0),
        reserved: spend?.reservedTokens ?? 0,
        usd: spend?.usd ?? 0,
      };
    },
    async [Symbol.asyncDispose]() {
      await close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Looks again until it holds; what never holds fails the test by its own time. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise<void>((resolve) => setImmediate(resolve));
}
