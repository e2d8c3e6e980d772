/** The money of one call. */
import { overBudget } from "../../domain/caller.ts";
import { noUsage, type Usage } from "../../domain/reply.ts";
import { type Able, estimateOf } from "./able.ts";
import type { Call } from "./call.ts";
import type { Problem } from "./problem.ts";
import type { GatewayTools } from "./tools.ts";

/** What a call has reserved and paid: every asking that may have cost something is a booking of its own. */
export interface Ledger {
  /** For the next asking, where nothing is reserved. Why not, or undefined. */
  reserve(): Problem | undefined;
  /** Undefined usage: all that is reserved. What was counted; nothing where nothing is reserved. */
  settle(usage: Usage | undefined, usd: number): Usage;
  withdraw(): Usage;
}

/** Nothing is reserved yet. */
export function openLedger({ book, capacity }: GatewayTools, call: Call, able: readonly Able[]): Ledger {
  const { caller } = call;
  const estimate = estimateOf(able, (source) => capacity.inputOf(source, call.inputTokens).reserved);
  let open: string | undefined;
  let bookings = 0;
  return {
    reserve() {
      if (open !== undefined) return undefined;
      const why = overBudget(caller, book.accounts, estimate);
      if (why !== undefined)
        return {
          kind: "out-of-budget",
          why: `the budget of token ${caller.name} does not allow this call: ${why}`,
        };
      open = bookings === 0 ? call.id : `${call.id}.${bookings}`;
      bookings += 1;
      const { tokens, usd } = estimate;
      book.add({ kind: "reserved", call: open, hash: caller.hash, estimate: { tokens, usd } });
      return undefined;
    },
    settle(known, knownUsd) {
      if (open === undefined) return noUsage;
      const { input, output } = estimate;
      const usage = known ?? { input, cachedInput: 0, output };
      const usd = known === undefined ? estimate.usd : knownUsd;
      book.add({ kind: "settled", call: open, usage, usd });
      open = undefined;
      return usage;
    },
    withdraw() {
      if (open !== undefined) book.add({ kind: "withdrawn", call: open });
      open = undefined;
      return noUsage;
    },
  };
}
