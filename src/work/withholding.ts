/**
 * Keys that stand in a tracked file: what runs say of them is taken out before anybody here sees it, so no question, event,
 * result or piece of evidence can hold it. The file itself stays as it is.
 */
import type { Commit } from "../domain/id.ts";
import { findSecrets, withheldIn } from "../domain/secrets.ts";
import type { Repository } from "../ports/repository.ts";
import type { Verifier } from "../ports/verifier.ts";
import { readTracked, textsOf } from "./files.ts";

/** The verifier, which knows no key, with its answers as they may be kept. `answered`: after each of them, good or bad. */
export function withholding(
  verifier: Verifier,
  { secrets, answered }: { secrets(): readonly string[]; answered(): Promise<void> },
): Verifier {
  const shown = async <Answer>(answer: Promise<Answer>): Promise<Answer> => {
    try {
      return withheldIn(await answer, secrets());
    } finally {
      await answered();
    }
  };
  return {
    isolation: verifier.isolation,
    run: (trial, signal) => shown(verifier.run(trial, signal)),
    prove: (trial, signal, first) => {
      const seen = first && {
        ...first,
        seen: (runs: Parameters<typeof first.seen>[0]) => first.seen(withheldIn(runs, secrets())),
      };
      return shown(verifier.prove(trial, signal, seen));
    },
  };
}

/** Tracked texts at the commit that hold one of the secrets, in order. */
export async function exposedIn(
  repository: Repository,
  commit: Commit,
  secrets: readonly string[],
): Promise<readonly string[]> {
  if (secrets.length === 0) return [];
  const texts = textsOf(await readTracked(repository, commit, () => false));
  return [...texts].filter(([, text]) => findSecrets(text, secrets).length > 0).map(([path]) => path);
}
