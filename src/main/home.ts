import { accessSync, constants, statSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { makeFolder } from "../edges/store/folder.ts";
import { UsageError } from "../faces/house.ts";

/** The folder this process stands in. UsageError when it was removed meanwhile. */
export function currentFolder(): string {
  try {
    return process.cwd();
  } catch {
    throw new UsageError("the folder you are in does not exist any more: cd to another one");
  }
}

/** `--home`, else RIGS_HOME, else `.rigs` in the user's folder; absolute. UsageError when none of them says where. */
export function homeOf(
  given: string | undefined,
  {
    folder,
    variables,
  }: { readonly folder: string; readonly variables: Readonly<Record<string, string | undefined>> },
): string {
  if (given !== undefined && given.trim() === "")
    throw new UsageError("--home is empty: name a folder, or leave it out");
  const named = given ?? (variables.RIGS_HOME || undefined);
  if (named !== undefined) return resolve(folder, named);
  const userFolder = homeOfUser();
  if (!isAbsolute(userFolder))
    throw new UsageError(
      "no home folder is known: set HOME, or say --home DIR where Rigs may keep its state",
    );
  return join(userFolder, ".rigs");
}

/** Empty when neither HOME nor the system's user list knows one. */
function homeOfUser(): string {
  try {
    return homedir();
  } catch {
    return "";
  }
}

/** What to do about a file that the system refused to read or write. */
export function remedyOf(code: string | undefined): string {
  if (code === "ENOSPC" || code === "EDQUOT") return "free some disk space and try again";
  return "choose another --home (or RIGS_HOME), or mend its owner and mode";
}

/** Makes the home where it is missing. UsageError, and nothing written, where it cannot be made or written to. */
export function requireHome(home: string): void {
  try {
    makeFolder(home);
    if (!statSync(home).isDirectory())
      throw new UsageError(`${home} is not a folder: ${remedyOf(undefined)}`);
    accessSync(home, constants.W_OK | constants.X_OK);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    const { code } = cause as NodeJS.ErrnoException;
    throw new UsageError(`cannot write in ${home} (${code ?? String(cause)}): ${remedyOf(code)}`);
  }
}

/** Tells whether a file is there. UsageError when that cannot be seen: an unreadable home is not an empty one. */
export function isThere(file: string): boolean {
  try {
    accessSync(file, constants.R_OK);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return false;
    throw new UsageError(`cannot read ${file} (${code}): ${remedyOf(code)}`);
  }
}
