/** The real command line as a real process, over a home and repositories of its own that are removed afterwards. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { placesOf } from "../../src/main/places.ts";
import { pictureOf, type Sample, sampleIn, userEnvironment } from "../../src/ports/repository.case.ts";

const program = fileURLToPath(new URL("../../bin/rigs.js", import.meta.url));
/** Compiled code is kept from one test to the next, as it is for a user from one command to the next. */
const cache = fileURLToPath(new URL("../../node_modules/.cache", import.meta.url));
/** No case is worth more than this; a process that hangs is killed, and its exit code says so. */
const wallMsMax = 80_000;

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** Standard output as JSON lines. */
  readonly lines: readonly Line[];
}

/** One line of `--json`. */
export type Line = Readonly<Record<string, unknown>> & { readonly type?: string };

export interface Running {
  readonly process: ChildProcess;
  /** Resolves with the first line of standard output that fits, also one that was said before. Rejects when it ends without. */
  said(type: string): Promise<Line>;
  /** The same for text on standard error. */
  wrote(text: string): Promise<void>;
  readonly ended: Promise<Ended>;
}

/** An answer of a script file. */
export type ScriptedLine =
  | {
      readonly text: string;
      readonly role?: string;
      readonly when?: string;
      readonly delayMs?: number;
      readonly finish?: string;
    }
  | { readonly fault: { readonly kind: string; readonly why: string }; readonly when?: string };

export interface Ground extends Disposable {
  readonly home: string;
  /** Everything lies below. */
  readonly folder: string;
  /** A repository with these files and one commit. */
  repository(name: string, files: Readonly<Record<string, string>>): Sample;
  /** What the provider `script` answers from now on. */
  script(...answers: readonly ScriptedLine[]): void;
  /** Adds lines to the configuration. */
  configure(text: string): void;
  /** Starts `rigs` in a folder. */
  start(folder: string, words: readonly string[], variables?: Readonly<Record<string, string>>): Running;
  /** Runs `rigs` to its end. */
  rigs(folder: string, ...words: readonly string[]): Promise<Ended>;
  /** The store's files, whole, as one text of bytes. */
  storeBytes(): string;
  readonly workRoot: string;
}

export function openGround(): Ground {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "rigs-e2e-")));
  const home = join(folder, "home");
  const scriptFile = join(folder, "script.json");
  const { config, workRoot } = placesOf(home, process.getuid?.() === 0);
  const started = new Set<ChildProcess>();
  mkdirSync(home, { mode: 0o700 });
  writeFileSync(config, `[providers.script]\nkind = "scripted"\nscript = ${JSON.stringify(scriptFile)}\n`);

  const ground: Ground = {
    home,
    folder,
    workRoot,
    repository(name, files) {
      const sample = sampleIn(join(folder, name));
      for (const [path, text] of Object.entries(files)) sample.write(path, text);
      sample.commit("first");
      return sample;
    },
    script: (...answers) => writeFileSync(scriptFile, JSON.stringify({ answers })),
    configure: (text) => writeFileSync(config, `${readFileSync(config, "utf8")}\n${text}\n`),
    start(where, words, variables = {}) {
      const child = spawn(process.execPath, [program, ...words], {
        cwd: where,
        env: { ...userEnvironment, ...variables, RIGS_HOME: home, XDG_CACHE_HOME: cache },
        stdio: ["ignore", "pipe", "pipe"],
      });
      started.add(child);
      return running(child);
    },
    rigs: (where, ...words) => ground.start(where, words).ended,
    storeBytes: () =>
      readdirSync(home, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"))
        .join("\n"),
    [Symbol.dispose]() {
      for (const child of started) child.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
      rmSync(workRoot, { recursive: true, force: true, maxRetries: 3 });
      if (workRoot.startsWith("/var/lib/rigs/")) removeIfEmpty(dirname(workRoot));
    },
  };
  return ground;
}

function removeIfEmpty(folder: string): void {
  try {
    if (readdirSync(folder).length === 0) rmSync(folder, { recursive: true });
  } catch {
    // Somebody else uses it.
  }
}

function running(child: ChildProcess): Running {
  const texts = { out: "", err: "" };
  const waiting = new Set<Waiting>();
  const timer = setTimeout(() => child.kill("SIGKILL"), wallMsMax);
  const look = () => {
    for (const each of waiting) if (each.look()) waiting.delete(each);
  };
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    texts.out += text;
    look();
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    texts.err += text;
    look();
  });
  const ended = new Promise<Ended>((resolve) => {
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      const why = new Error(`rigs ended (${code ?? signal}) without it:\n${texts.out}\n${texts.err}`);
      for (const each of waiting) each.reject(why);
      resolve({ code: code ?? -1, ...texts, lines: linesOf(texts.out) });
    });
  });
  /** Resolves with what `find` finds, now or when more has been said. */
  const until = <Found>(find: () => Found | undefined) =>
    new Promise<Found>((resolve, reject) => {
      const look = () => {
        const found = find();
        if (found !== undefined) resolve(found);
        return found !== undefined;
      };
      if (look()) return;
      if (child.exitCode === null) waiting.add({ look, reject });
      else reject(new Error(`rigs ended (${child.exitCode}) without it:\n${texts.out}\n${texts.err}`));
    });
  return {
    process: child,
    ended,
    said: (type) => until(() => linesOf(texts.out).find((line) => line.type === type)),
    wrote: async (text) => void (await until(() => (texts.err.includes(text) ? true : undefined))),
  };
}

interface Waiting {
  look(): boolean;
  reject(why: Error): void;
}

function linesOf(text: string): readonly Line[] {
  return text.split("\n").flatMap((line) => {
    try {
      const value: unknown = JSON.parse(line);
      return typeof value === "object" && value !== null ? [value as Line] : [];
    } catch {
      return [];
    }
  });
}

/** The user's repository but for what a delivered branch adds: its objects, its reference and that one's log. */
export function untouched(top: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(pictureOf(top)).filter(
      ([path]) => !/^\.git\/(objects|(logs\/)?refs\/heads\/rigs)(\/|$)/.test(path),
    ),
  );
}

interface Process {
  readonly id: number;
  readonly parent: number;
  readonly words: string;
}

/** Every process of this machine. */
export function processes(): readonly Process[] {
  const lines = execFileSync("ps", ["-eo", "pid=,ppid=,args=", "-ww"], { encoding: "utf8" }).split("\n");
  return lines.flatMap((line) => {
    const [, id, parent, words = ""] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return id === undefined ? [] : [{ id: Number(id), parent: Number(parent), words }];
  });
}

const verifier = fileURLToPath(new URL("../../src/verifier.ts", import.meta.url));

/** The verifier's processes that a process has started. A parent of 1 has those whose own parent died. */
export function verifiersOf(parent: number): readonly Process[] {
  return processes().filter((each) => each.parent === parent && each.words.includes(verifier));
}

/** Processes that name one of the folders on their command line, or see it mounted, as jails do. */
export function processesAbout(...folders: readonly string[]): readonly Process[] {
  return processes().filter(({ id, words }) => {
    const mounts = mountsOf(id);
    return folders.some((folder) => words.includes(folder) || mounts.includes(folder));
  });
}

function mountsOf(id: number): string {
  try {
    return readFileSync(`/proc/${id}/mountinfo`, "utf8");
  } catch {
    // It has ended meanwhile, or belongs to somebody else.
    return "";
  }
}

/** Waits until `find` finds something. The kernel tells nobody but the parent of a process how it fares. */
export async function seen<Found>(find: () => Found | undefined, what: string): Promise<Found> {
  const until = performance.now() + 15_000;
  for (;;) {
    const found = find();
    if (found !== undefined) return found;
    if (performance.now() > until) throw new Error(`not seen within 15 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A file as models answer it. */
export const file = (path: string, text: string) => `${path}\n\`\`\`\n${text}\`\`\`\n`;
