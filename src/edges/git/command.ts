import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { printable } from "../../kit/bounded.ts";
import { RepositoryError } from "../../ports/repository.ts";

/**
 * Every git that Rigs starts, starts here.
 *
 * 1. Arguments are a list and `--git-dir` is always said; nothing is discovered from a folder.
 * 2. No system or user configuration is read. What a repository's own configuration could run is overridden by
 *    environment configuration, which git ranks above every file; protocols are off by GIT_ALLOW_PROTOCOL, because
 *    a file's `protocol.ext.allow` would win over `protocol.allow`.
 * 3. Output and time have bounds.
 */
export interface Git {
  run(command: Command): Promise<Ran>;
  /** For streams; the caller waits for "close" and reads the exit code. */
  start(command: Command): ChildProcessWithoutNullStreams;
}

export interface Command {
  /** Undefined only for `git init`, which makes one. */
  readonly gitDir: string | undefined;
  readonly arguments: readonly string[];
  readonly workTree?: string;
  readonly input?: string | Uint8Array | AsyncIterable<Uint8Array>;
  /** Added to the forced environment; undefined takes a variable away. */
  readonly variables?: Readonly<Record<string, string | undefined>>;
  /** Added to the forced configuration. */
  readonly configuration?: readonly Setting[];
  /** Standard output beyond it ends the process; 64 MiB by default. */
  readonly outputBytesMax?: number;
  /** Ten minutes by default. */
  readonly wallMsMax?: number;
  /** Whom to run as; only root may say. */
  readonly owner?: Owner | undefined;
}

export type Setting = readonly [key: string, value: string];

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface Ran {
  /** Undefined when a signal ended it. */
  readonly exitCode: number | undefined;
  readonly stdout: Buffer;
  /** The first 8 KiB, control characters made visible. */
  readonly stderr: string;
  /** Which bound of ours ended it. */
  readonly limit: "output" | "time" | undefined;
}

const forcedConfiguration: readonly Setting[] = [
  ["core.fsmonitor", "false"],
  ["core.hooksPath", "/dev/null"],
  ["core.attributesFile", "/dev/null"],
  ["core.untrackedCache", "false"],
  // A forged commit graph or bitmap could make a copy incomplete without any error.
  ["core.commitGraph", "false"],
  ["pack.useBitmaps", "false"],
  ["core.sshCommand", "false"],
  ["core.askPass", "false"],
  ["core.pager", "cat"],
  ["core.editor", "false"],
  ["credential.helper", ""],
  ["diff.external", ""],
  ["protocol.allow", "never"],
  ["submodule.recurse", "false"],
  ["gc.auto", "0"],
  ["maintenance.auto", "false"],
  // The event log is durable against a power cut, so what it names must be too: loose objects are not by default.
  ["core.fsync", "committed"],
  ["core.filesRefLockTimeout", "10000"],
  ["core.packedRefsTimeout", "10000"],
];

const forcedVariables: Readonly<Record<string, string>> = {
  LC_ALL: "C",
  HOME: "/nonexistent",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_ATTR_NOSYSTEM: "1",
  GIT_ALLOW_PROTOCOL: "none",
  GIT_TERMINAL_PROMPT: "0",
  GIT_OPTIONAL_LOCKS: "0",
  GIT_NO_REPLACE_OBJECTS: "1",
  GIT_NO_LAZY_FETCH: "1",
  GIT_GRAFT_FILE: "/dev/null",
  GIT_EDITOR: "false",
  GIT_PAGER: "cat",
  GIT_COMMITTER_NAME: "Rigs",
  GIT_COMMITTER_EMAIL: "rigs@localhost",
};

const outputBytesMaxDefault = 64 * 1024 * 1024;
const wallMsMaxDefault = 600_000;
const complaintCharactersMax = 8_192;

/** A git that is `program` (a name on `path`, or a path). */
export function openGit(program: string, path: string): Git {
  const start = (command: Command) => startGit({ program, path }, command);
  return { start, run: (command) => run(start(command), command, program) };
}

function startGit(
  git: { readonly program: string; readonly path: string },
  command: Command,
): ChildProcessWithoutNullStreams {
  const places = [
    ...(command.gitDir === undefined ? [] : [`--git-dir=${command.gitDir}`]),
    ...(command.workTree === undefined ? [] : [`--work-tree=${command.workTree}`]),
  ];
  return spawn(git.program, ["--no-pager", ...places, ...command.arguments], {
    // "/" always exists, so that ENOENT can only mean that git is missing.
    cwd: "/",
    env: { PATH: git.path, ...forcedVariables, ...configure(command.configuration), ...command.variables },
    stdio: "pipe",
    ...command.owner,
  });
}

function configure(more: readonly Setting[] = []): Record<string, string> {
  const all = [...forcedConfiguration, ...more];
  const variables: Record<string, string> = { GIT_CONFIG_COUNT: String(all.length) };
  for (const [index, [key, value]] of all.entries()) {
    variables[`GIT_CONFIG_KEY_${index}`] = key;
    variables[`GIT_CONFIG_VALUE_${index}`] = value;
  }
  return variables;
}

async function run(child: ChildProcessWithoutNullStreams, command: Command, program: string): Promise<Ran> {
  const bytesMax = command.outputBytesMax ?? outputBytesMaxDefault;
  const chunks: Buffer[] = [];
  let bytes = 0;
  let limit: Ran["limit"];
  const end = (why: "output" | "time") => {
    limit ??= why;
    child.kill("SIGKILL");
  };
  const timer = setTimeout(() => end("time"), command.wallMsMax ?? wallMsMaxDefault);
  child.stdout.on("data", (chunk: Buffer) => {
    const room = bytesMax - bytes;
    if (room > 0) chunks.push(chunk.length > room ? chunk.subarray(0, room) : chunk);
    bytes += chunk.length;
    if (bytes > bytesMax) end("output");
  });
  const complaint = complaintOf(child);
  try {
    const [exitCode] = await Promise.all([exitOf(child, program), feed(child, command.input)]);
    return { exitCode, stdout: Buffer.concat(chunks), stderr: complaint(), limit };
  } finally {
    clearTimeout(timer);
  }
}

/** What the process says on standard error, bounded. */
export function complaintOf(child: ChildProcessWithoutNullStreams): () => string {
  let text = "";
  child.stderr.on("data", (chunk: Buffer) => {
    if (text.length < complaintCharactersMax) text += chunk.toString("utf8");
  });
  return () => printable(text.slice(0, complaintCharactersMax));
}

/** Resolves with the exit code (undefined: a signal); rejects with RepositoryError when git could not be started. */
export function exitOf(child: ChildProcessWithoutNullStreams, program = "git"): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    child.once("error", (error: NodeJS.ErrnoException) => {
      reject(
        error.code === "ENOENT"
          ? new RepositoryError(`${program} is not installed: sudo apt-get install -y git`)
          : new RepositoryError(`${program} could not be started (${error.code}): check that you may run it`),
      );
    });
    child.once("close", (exitCode) => resolve(exitCode ?? undefined));
  });
}

/** A process that ends early closes its input; its exit code tells the story, so EPIPE says nothing more. */
async function feed(child: ChildProcessWithoutNullStreams, input: Command["input"]): Promise<void> {
  child.stdin.on("error", () => {});
  if (input === undefined || typeof input === "string" || input instanceof Uint8Array) {
    child.stdin.end(input);
    return;
  }
  try {
    await pipeline(Readable.from(input), child.stdin);
  } catch (error) {
    child.kill("SIGKILL");
    if (error instanceof RepositoryError) throw error;
  }
}

/** The output of a command that must succeed; `what` completes "git could not …", `advice` says what to do next. */
export async function answer(git: Git, command: Command, what: string, advice: string): Promise<Buffer> {
  const ran = await git.run(command);
  if (ran.exitCode === 0 && ran.limit === undefined) return ran.stdout;
  throw refusal(ran, what, advice);
}

/** One line: what happened, to what, what to do next. */
export function refusal(ran: Omit<Ran, "stdout">, what: string, advice: string): RepositoryError {
  return new RepositoryError(`git could not ${what} (${reasonOf(ran)}): ${advice}`);
}

function reasonOf(ran: Omit<Ran, "stdout">): string {
  if (ran.limit === "output") return "it is too large";
  if (ran.limit === "time") return "it took too long";
  const lines = ran.stderr.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("hint:"));
  const line = lines.find((text) => /^(fatal|error):/.test(text)) ?? lines[0] ?? `exit ${ran.exitCode}`;
  return line.replace(/^(fatal|error): /, "").slice(0, 300);
}
