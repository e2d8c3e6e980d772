/** The accounts of a scenario while the server runs: who counts a call, its seat, its turn, and what is told of it. */
import type { Account } from "./account.ts";
import {
  type Arrival,
  type CallId,
  Quota,
  type QuotaLevels,
  type QuotaRefusal,
  type QuotaSettings,
} from "./quota.ts";
import { type HeaderForm, type ToldHeaders, toldOf } from "./told.ts";
import type { Wire } from "./wire.ts";

/** A call that an account let in. */
export interface Seat {
  /** As the answer tells them. */
  readonly headers: ToldHeaders;
  /** Resolves when it leaves the line; undefined: it was never in one. */
  readonly turn: Promise<void> | undefined;
  wrote(tokens: number): void;
  /** Once, whatever becomes of the call; more change nothing. */
  leave(ended: { readonly outputTokens: number; readonly isFailed: boolean }): void;
}

export type Seating =
  | { readonly kind: "seated"; readonly seat: Seat }
  | { readonly kind: "refused"; readonly limit: QuotaRefusal; readonly headers: ToldHeaders };

export interface Accounts {
  /** Whether some account counts calls with this key and model. */
  counts(key: string, model: string): boolean;
  /** Asserted before: an account counts it. */
  seat(key: string, wire: Wire, arrival: Arrival & { readonly model: string }): Seating;
}

interface Pool {
  readonly quota: Quota;
  readonly turns: Map<CallId, () => void>;
  calls: number;
  changed: number;
}

/** Keys that are told apart; beyond, the oldest starts again. */
const poolsMax = 1_000;

/** `now`: the clock's; changes count from the moment of this call. */
export function accountsOf(accounts: readonly Account[], now: () => number): Accounts {
  const begunAt = now();
  const pools = new Map<string, Pool>();
  const find = (key: string, model: string): number =>
    accounts.findIndex(
      (each) => (each.key ?? key) === key && (each.models === undefined || each.models.includes(model)),
    );
  const poolOf = (index: number, account: Account, key: string): Pool => {
    const name = `${index}/${key}`;
    const quota = () => new Quota(account.limits, begunAt);
    const pool = pools.get(name) ?? { quota: quota(), turns: new Map(), calls: 0, changed: 0 };
    pools.set(name, pool);
    const oldest = pools.size > poolsMax ? pools.keys().next().value : undefined;
    if (oldest !== undefined) pools.delete(oldest);
    return pool;
  };
  return {
    counts: (key, model) => find(key, model) >= 0,
    seat(key, wire, arrival) {
      const index = find(key, arrival.model);
      const account = accounts[index];
      if (account === undefined) throw new Error("an account counts this call");
      const pool = poolOf(index, account, key);
      const at = now();
      pool.calls += 1;
      change(pool, account, at, at - begunAt);
      const verdict = pool.quota.arrive(at, arrival);
      const told = (isRefused: boolean) => headersOf(account, wire, pool.quota.levels(at), at, isRefused);
      if (verdict.kind === "refused") return { kind: "refused", limit: verdict, headers: told(true) };
      return { kind: "seated", seat: seatIn(pool, verdict, told(false), now) };
    },
  };
}

/** Changes are due in any order; each is made once, in the order of the file. */
function change(pool: Pool, account: Account, now: number, sinceMs: number): void {
  const due = account.changes.filter((each) => sinceMs >= each.afterMs && pool.calls > each.afterCalls);
  if (due.length === pool.changed) return;
  pool.changed = due.length;
  const settings: QuotaSettings = Object.assign({ ...account.limits }, ...due.map(({ limits }) => limits));
  begin(pool, pool.quota.reshape(settings, now));
}

function begin(pool: Pool, ids: readonly CallId[]): void {
  for (const id of ids) {
    pool.turns.get(id)?.();
    pool.turns.delete(id);
  }
}

function seatIn(
  pool: Pool,
  { kind, id }: { readonly kind: "admitted" | "queued"; readonly id: CallId },
  headers: ToldHeaders,
  now: () => number,
): Seat {
  const turn = Promise.withResolvers<void>();
  if (kind === "queued") pool.turns.set(id, turn.resolve);
  return {
    headers,
    turn: kind === "queued" ? turn.promise : undefined,
    wrote: (tokens) => pool.quota.wrote(id, tokens, now()),
    leave(ended) {
      pool.turns.delete(id);
      begin(pool, pool.quota.end(id, ended, now()));
    },
  };
}

function headersOf(
  { headers, limits }: Account,
  wire: Wire,
  levels: QuotaLevels,
  now: number,
  isRefused: boolean,
): ToldHeaders {
  const { remainingFactor, resetShiftMs, dateShiftMs } = headers;
  const form = headers.form === "usual" ? usualForm(wire, limits.counting, levels) : headers.form;
  const lies: QuotaLevels = {
    rates: levels.rates.map((rate) => ({
      ...rate,
      remaining: Math.floor(rate.remaining * remainingFactor),
      resetMs: rate.resetMs + resetShiftMs,
    })),
    windows: levels.windows.map((each) => ({ ...each, resetAt: each.resetAt + resetShiftMs + dateShiftMs })),
  };
  const date = dateShiftMs === 0 ? {} : { date: new Date(now + dateShiftMs).toUTCString() };
  return { ...toldOf(form, lies, now + dateShiftMs, isRefused), ...date };
}

/** Gemini and DeepSeek say nothing on any wire; a subscription on OpenAI's is Codex. */
function usualForm(wire: Wire, counting: Account["limits"]["counting"], levels: QuotaLevels): HeaderForm {
  if (counting === "gemini" || counting === "concurrency") return "none";
  return wire.limits === "openai" && levels.windows.length > 0 ? "codex" : wire.limits;
}
