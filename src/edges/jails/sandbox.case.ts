/** For tests: the jail of this machine and the programs beside it, or a named skip that CI turns into a failure. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "vitest";
import type { Job } from "../../ports/jail.ts";
import { snippet } from "./limits.ts";
import { type JailOptions, type OpenedJail, openJail } from "./selftest.ts";

type Ready = Extract<OpenedJail, { readonly kind: "ready" }>;

/** A folder that the jail's user can pass through. */
export function makeWorkRoot(): string {
  const folder = mkdtempSync(join(tmpdir(), "rigs-jail-"));
  chmodSync(folder, 0o711);
  return folder;
}

/** A command with nothing around it. */
export function plainJob(command: string): Job {
  return {
    command,
    cwd: "/tmp",
    variables: {},
    binds: [],
    scratch: [],
    limits: snippet,
    network: { kind: "none" },
  };
}

/** What a test may want of the machine beside git and our own packages. */
export type Need = "jail" | Module;

/** Modules of the system's python3, each with the name by which it is run. Debian's packages are called python3-…. */
const modules = { pytest: "pytest", pip: "pip", venv: "ensurepip" } as const;
type Module = keyof typeof modules;

interface Means {
  readonly test: ReturnType<typeof test.skipIf>;
  readonly describe: (name: string, body: () => void) => void;
}

const said = new Set<string>();

/**
 * vitest's own words where the machine has all of it. Elsewhere what they name is skipped and one sentence says why; a
 * group's body is not even entered. With RIGS_SANDBOX_REQUIRED=1 nothing is skipped, and fails by itself.
 */
export async function needing(...needs: readonly Need[]): Promise<Means> {
  if (process.env.RIGS_SANDBOX_REQUIRED === "1") return { test, describe };
  const lacking = (await Promise.all(needs.map(whyWithout))).find((why) => why !== undefined);
  if (lacking === undefined) return { test, describe };
  if (!said.has(lacking)) test.skip(lacking, () => {});
  said.add(lacking);
  return { test: test.skipIf(true), describe: (name) => test.skip(`${name} (${lacking})`, () => {}) };
}

async function whyWithout(need: Need): Promise<string | undefined> {
  if (need === "jail") return await whyNoJail();
  try {
    execFileSync("/usr/bin/python3", ["-m", modules[need], "--version"], { stdio: "ignore" });
    return undefined;
  } catch {
    return `no ${need} here (apt-get install python3-${need})`;
  }
}

async function whyNoJail(): Promise<string | undefined> {
  const folder = makeWorkRoot();
  try {
    const opened = await openJail({ workRoot: join(folder, "work") });
    return opened.kind === "ready" ? undefined : sentenceOf(opened);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs `body` with the jail. Without one the skip is counted and says why; with RIGS_SANDBOX_REQUIRED=1 it is a failure. */
export async function withJail(options: JailOptions, body: (ready: Ready) => void): Promise<void> {
  const opened = await openJail(options);
  if (opened.kind === "ready") {
    describe(`jail (${opened.level})`, () => body(opened));
    return;
  }
  const sentence = sentenceOf(opened);
  if (process.env.RIGS_SANDBOX_REQUIRED === "1")
    test(sentence, () => {
      throw new Error(sentence);
    });
  else test.skip(sentence, () => {});
}

function sentenceOf({ why, remedy }: Exclude<OpenedJail, Ready>): string {
  return `no jail here: ${why} (${remedy})`;
}
