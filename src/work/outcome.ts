/** What became of a call, and what that means for the place it had. */
import type { Draft } from "../domain/meter.ts";
import { atMostPossible, type Fault, type Reply, type Usage } from "../domain/reply.ts";
import type { Ending } from "../domain/tank.ts";
import { assert, unreachable } from "../kit/assert.ts";

export type Said = Pick<Extract<Reply, { readonly kind: "said" }>, "kind" | "usage" | "headers">;
export type Failed = Pick<
  Extract<Reply, { readonly kind: "failed" }>,
  "kind" | "fault" | "usage" | "headers" | "readings"
>;

/** What became of a call: a reply, or that it never left, or that nobody knows. */
export type Outcome = Said | Failed | { readonly kind: "unmade" } | { readonly kind: "lost" };

/**
 * How a call that was reserved as `draft` ended. Refused before it was counted; what a provider charges for that all the
 * same, it charges at the door.
 */
export function endingOf(outcome: Outcome, draft: Draft): Ending {
  switch (outcome.kind) {
    case "unmade":
      return { how: "unmade", used: undefined };
    case "lost":
      return { how: "else", used: undefined };
    case "said":
      return { how: "well", used: usedOf(outcome.usage, draft) };
    case "failed": {
      const how = hows[outcome.fault.kind];
      // Without a word from the server nobody knows what it counted.
      const isUnknown = Object.keys(outcome.headers).length === 0 && outcome.usage.output === 0;
      const used = isUnknown ? undefined : usedOf(outcome.usage, draft);
      return { how, used };
    }
    default:
      return unreachable(outcome);
  }
}

const hows: Readonly<Record<Fault["kind"], Ending["how"]>> = {
  ...{ throttle: "refused", capacity: "busy", window: "else", billing: "else", auth: "else" },
  ...{ request: "else", "too-large": "else" },
};

/** A server that reports what no such call can take would shut its account for years. */
function usedOf(usage: Usage, { input, outputMax }: Draft): Draft {
  const possible = atMostPossible(usage, { input, outputMax });
  assert(possible.input >= 0 && possible.output >= 0, "usage is not below 0");
  return { ...possible, outputMax };
}
