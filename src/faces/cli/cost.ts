/** Which providers a sum of USD leaves out. */
import type { BeadId, CallId, GoalId } from "../../domain/id.ts";
import type { Reader } from "../../ports/store.ts";
import { type House, UsageError } from "../house.ts";
import { oneLine } from "./sentences.ts";

/** Events read at a time. */
const pageMax = 1_000;

/**
 * Providers that took tokens of a goal, or of one bead of it, counted at nothing, and of which nobody knows that they cost
 * nothing: in the order of their first call.
 */
export async function unpricedIn(
  { goal, bead }: { readonly goal: GoalId; readonly bead: BeadId | undefined },
  house: House,
): Promise<readonly string[]> {
  const reader = await house.reader();
  try {
    const uncounted = reader === undefined ? [] : await uncountedIn(goal, bead, reader);
    if (uncounted.length === 0) return [];
    const known = await pricedIn(house);
    return uncounted.filter((name) => !known.has(name));
  } finally {
    await reader?.close();
  }
}

async function uncountedIn(
  goal: GoalId,
  bead: BeadId | undefined,
  { log }: Reader,
): Promise<readonly string[]> {
  const asked = new Map<CallId, string>();
  const found = new Set<string>();
  for (let from = 1; ; ) {
    const page = await log.read(from, pageMax, goal);
    if (page.length === 0) return [...found];
    for (const { event, sequence } of page) {
      from = sequence + 1;
      if (event.type === "call-reserved") asked.set(event.call, event.provider);
      if (event.type !== "call-settled" || (bead !== undefined && event.bead !== bead)) continue;
      const provider = asked.get(event.call);
      asked.delete(event.call);
      const { usage, usd } = event;
      if (provider !== undefined && usd === 0 && usage.input + usage.output > 0) found.add(oneLine(provider));
    }
  }
}

/** Of those that are configured; a configuration that cannot be read is another command's to say. */
async function pricedIn(house: House): Promise<ReadonlySet<string>> {
  try {
    const lines = await house.providers();
    return new Set(lines.filter(({ price }) => price.kind !== "unknown").map(({ name }) => name));
  } catch (error) {
    if (error instanceof UsageError) return new Set();
    throw error;
  }
}
