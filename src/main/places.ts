import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

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

/** Names the home in a work folder that lies outside of it. */
const homeMark = "home";

/** Writes down whose work folder this is, so that it can be told when its home is gone. The folder is there. */
export function markWorkRoot({ home, workRoot }: Places): void {
  const mark = join(workRoot, homeMark);
  if (dirname(workRoot) !== home && !existsSync(mark)) writeFileSync(mark, `${home}\n`, { mode: 0o600 });
}

/** Work folders beside this one whose homes are gone, sorted, at most `countMax`. What bears no mark is nobody's guess. */
export function orphansBeside({ home, workRoot }: Places, countMax: number): readonly string[] {
  const top = dirname(workRoot);
  if (top === home) return [];
  const found: string[] = [];
  for (const name of namesIn(top)) {
    if (found.length === countMax) return found;
    const owner = homeNamedIn(join(top, name));
    if (owner !== undefined && !existsSync(owner)) found.push(join(top, name));
  }
  return found;
}

/** The shell command that removes what `orphansBeside` finds below this folder, and nothing else. */
export function sweepIn(top: string): string {
  const mark = `"$d/${homeMark}"`;
  return `for d in ${top}/${"?".repeat(12)}; do if [ -r ${mark} ] && [ ! -e "$(cat ${mark})" ]; then rm -r "$d"; fi; done`;
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
      .filter((name) => /^[0-9a-f]{12}$/.test(name))
      .sort();
  } catch {
    return [];
  }
}

function homeNamedIn(folder: string): string | undefined {
  try {
    return readFileSync(join(folder, homeMark), "utf8").replace(/\n$/, "");
  } catch {
    return undefined;
  }
}
