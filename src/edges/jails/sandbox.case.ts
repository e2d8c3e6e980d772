/** For the tests of this folder: the jail of this machine, or a named skip that CI turns into a failure. */
import { chmodSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "vitest";
import { type JailOptions, type OpenedJail, openJail } from "./selftest.ts";

type Ready = Extract<OpenedJail, { readonly kind: "ready" }>;

/** A folder that the jail's user can pass through. */
export function makeWorkRoot(): string {
  const folder = mkdtempSync(join(tmpdir(), "rigs-jail-"));
  chmodSync(folder, 0o711);
  return folder;
}

/** Runs `body` with the jail. Without one the skip is counted and says why; with RIGS_SANDBOX_REQUIRED=1 it is a failure. */
export async function withJail(options: JailOptions, body: (ready: Ready) => void): Promise<void> {
  const opened = await openJail(options);
  if (opened.kind === "ready") {
    describe(`jail (${opened.level})`, () => body(opened));
    return;
  }
  const sentence = `no jail here: ${opened.why} (${opened.remedy})`;
  if (process.env.RIGS_SANDBOX_REQUIRED === "1")
    test(sentence, () => {
      throw new Error(sentence);
    });
  else test.skip(sentence, () => {});
}
