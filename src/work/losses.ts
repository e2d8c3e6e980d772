import type { GoalId } from "../domain/id.ts";
import type { NewEvent } from "../ports/store.ts";
import { VerifierLost } from "../ports/verifier.ts";

/** Times that one run is asked for before whoever kills its verifier has won. */
const lossesMax = 3;

/**
 * Asks again, of a new process, when the verifier was killed over it. `losses` are to be recorded with what came of it.
 * Rejects with VerifierLost when it was killed every time, and with whatever else `ask` rejects with at once.
 */
export async function despiteLosses<Result>(
  goal: GoalId,
  ask: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly losses: readonly NewEvent[] }> {
  const losses: NewEvent[] = [];
  for (;;)
    try {
      return { result: await ask(), losses };
    } catch (error) {
      if (!(error instanceof VerifierLost)) throw error;
      losses.push({ type: "verifier-lost", goal, why: error.message });
      if (losses.length === lossesMax) throw new VerifierLost(lastWords(goal, error));
    }
}

function lastWords(goal: GoalId, { message }: VerifierLost): string {
  return `${message}, ${lossesMax} times over one run; nothing is lost: find out who kills it (\`dmesg\` names what the kernel killed for want of memory), then: rigs goal resume ${goal}`;
}
