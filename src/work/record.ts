import type { Attempt, OpenCall } from "../domain/attempt.ts";
import { noUsage } from "../domain/reply.ts";
import type { Guard, NewEvent } from "../ports/store.ts";
import type { Tools } from "./tools.ts";

/** Appends and lets people see it. `refused`: the guard did not hold, nothing was written, and the caller decides anew. */
export async function record(
  tools: Pick<Tools, "store" | "watch">,
  events: readonly NewEvent[],
  guard: Guard,
): Promise<"recorded" | "refused"> {
  const appended = await tools.store.log.append(events, guard);
  if (appended.kind === "refused") return "refused";
  for (const recorded of appended.events) tools.watch({ kind: "recorded", recorded });
  return "recorded";
}

/** The process that made this call died, or let it go. It may have been paid: the whole estimate is counted as used. */
export function lostCall({ id, goal, bead }: Attempt, { call, estimate }: OpenCall): NewEvent {
  return {
    type: "call-settled",
    goal,
    bead,
    attempt: id,
    call,
    settled: { kind: "lost" },
    usage: { ...noUsage, input: estimate.tokens },
    usd: estimate.usd,
    wallMs: 0,
  };
}
