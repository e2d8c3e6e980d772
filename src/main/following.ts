/** Files that people edit while a process runs. */
import { statSync } from "node:fs";

/** How soon a changed file counts, ms. */
export const lookEveryMs = 250;

/** Whatever is other when the file is; cheap enough to be asked often. Undefined: there is none. */
export function stampOf(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? undefined : `${found.ino} ${found.mtimeMs} ${found.size}`;
}

export interface Following {
  /** Looks no more; what a change began has ended then. */
  stop(): Promise<void>;
}

/**
 * Hears of each change of the file since `stamp`, one after the other; one that cannot be taken over leaves what was. `isThere`:
 * whether there is still a file.
 */
export function followFile(
  path: string,
  changed: (isThere: boolean) => Promise<void>,
  stamp: string | undefined = stampOf(path),
): Following {
  let known = stamp;
  let taking = Promise.resolve();
  const timer = setInterval(() => {
    const current = stampOf(path);
    if (current === known) return;
    known = current;
    taking = taking.then(() => changed(current !== undefined)).catch(() => undefined);
  }, lookEveryMs).unref();
  return {
    stop() {
      clearInterval(timer);
      return taking;
    },
  };
}
