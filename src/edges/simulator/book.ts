import { noUsage, type Usage } from "../../domain/reply.ts";
import type { EnvelopeFault } from "./envelope.ts";
import type { Truth } from "./noise.ts";
import type { WireName } from "./scenario.ts";

/** One request as it went, with what the simulator alone knows of its answer. */
export interface RequestRecord {
  readonly call: number;
  readonly at: number;
  readonly wire: WireName;
  /** "" when the body could not be read. */
  readonly model: string;
  /** 0: nothing was sent (hang). */
  readonly status: number;
  readonly isStream: boolean;
  readonly usage: Usage;
  readonly truths: readonly Truth[];
  readonly envelope: readonly EnvelopeFault[];
}

export interface RequestSummary {
  readonly total: number;
  /** Requests by status, as text: {"200": 7, "429": 1}. */
  readonly byStatus: Readonly<Record<string, number>>;
  readonly usage: Usage;
  /** The newest 1,000. */
  readonly recent: readonly RequestRecord[];
}

export interface RequestBook {
  next(): number;
  add(record: RequestRecord): void;
  summary(): RequestSummary;
}

const recordsMax = 1_000;

export function requestBook(): RequestBook {
  const recent: RequestRecord[] = [];
  const byStatus: Record<string, number> = {};
  let usage: Usage = noUsage;
  let total = 0;
  return {
    next() {
      total += 1;
      return total;
    },
    add(record) {
      recent.push(record);
      if (recent.length > recordsMax) recent.shift();
      byStatus[record.status] = (byStatus[record.status] ?? 0) + 1;
      usage = {
        input: usage.input + record.usage.input,
        cachedInput: usage.cachedInput + record.usage.cachedInput,
        output: usage.output + record.usage.output,
      };
    },
    summary: () => ({ total, byStatus: { ...byStatus }, usage, recent: [...recent] }),
  };
}
