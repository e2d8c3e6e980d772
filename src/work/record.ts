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
