import { createHash } from "node:crypto";
import { join } from "node:path";

/** Where everything of one home lies; all absolute. */
export interface Places {
  readonly home: string;
  readonly config: string;
  readonly repositories: string;
  readonly keys: string;
  readonly evidence: string;
  /** Base results by (tree, environment, gate). */
  readonly results: string;
  /** The folder jails may see parts of. */
  readonly workRoot: string;
}

/**
 * As an ordinary user everything is below the home. As root jails run as another user, who cannot pass a private home:
 * work then lies below /var/lib/rigs, in a folder named after the home.
 */
export function placesOf(home: string, isRoot: boolean): Places {
  const mark = createHash("sha256").update(home).digest("hex").slice(0, 12);
  return {
    home,
    config: join(home, "config.toml"),
    repositories: join(home, "repositories"),
    keys: join(home, "keys"),
    evidence: join(home, "evidence"),
    results: join(home, "results"),
    workRoot: isRoot ? `/var/lib/rigs/${mark}` : join(home, "work"),
  };
}
