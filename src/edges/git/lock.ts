import { setTimeout as sleep } from "node:timers/promises";
import { RepositoryError } from "../../ports/repository.ts";
import { shown } from "./path.ts";

const pollMs = 25;
const waitMsMax = 900_000;

/**
 * Runs `work` while no other process on this machine, and no other caller in this one, holds the lock `path`. SQLite
 * holds it by a lock of the kernel, so a killed process leaves nothing to clean up. The file stays and is empty.
 */
export async function holding<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    for (let waitedMs = 0; !taken(database); waitedMs += pollMs) {
      if (waitedMs >= waitMsMax) {
        throw new RepositoryError(
          `${shown(path)} has been held for 15 minutes: wait for the other rigs process, or end it`,
        );
      }
      await sleep(pollMs);
    }
    return await work();
  } finally {
    database.close();
  }
}

function taken(database: { exec(sql: string): void }): boolean {
  const busy = 5;
  try {
    database.exec("BEGIN EXCLUSIVE");
    return true;
  } catch (error) {
    if ((error as { errcode?: number }).errcode === busy) return false;
    throw error;
  }
}
