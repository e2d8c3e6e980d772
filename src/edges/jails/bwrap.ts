/** One bubblewrap process: fed, heard, and followed until everything in its jail is dead. */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { setTimeout as after, setImmediate as breathe } from "node:timers/promises";
import type { Invocation } from "./arguments.ts";
import type { Host } from "./host.ts";
import { identify, isAlive, type Process } from "./tree.ts";

/** What can be started. */
export type Ready = Extract<Invocation, { readonly kind: "ready" }>;

/** bubblewrap names process 1 within a few milliseconds, or is stuck. */
const sayMsMax = 2_000;

export interface Ended {
  /** The command itself ran to an end; false when bubblewrap gave up before. */
  readonly ran: boolean;
  readonly code: number | null;
  readonly signal: string | null;
  readonly failure: string | undefined;
}

export interface Started {
  readonly kind: "started";
  readonly child: ChildProcess;
  readonly status: {
    /** Process 1 of the jail, waiting at the gate; undefined when bubblewrap ended first. */
    readonly started: Promise<number | undefined>;
    open(): void;
  };
  /** Resolves when every process of the jail is dead. Never rejects. */
  readonly ended: Promise<Ended>;
  kill(): void;
}

/** Starts bubblewrap, as the dedicated user when there is one, under the guard's name. The job itself waits at the gate. */
export function start(
  ready: Ready,
  host: Host,
  name: string,
): Started | { readonly kind: "failed"; readonly why: string } {
  try {
    const child = launch(ready, host, name);
    // Out of descriptors: Node made no pipes and will say why in an event that nobody needs any more.
    if (child.stdout === null || child.stdout === undefined) {
      child.on("error", () => {});
      return { kind: "failed", why: "bubblewrap cannot be started: too many open files (raise `ulimit -n`)" };
    }
    return follow(child, ready);
  } catch (error) {
    return { kind: "failed", why: `bubblewrap cannot be started: ${(error as Error).message}` };
  }
}

function launch(ready: Ready, host: Host, name: string): ChildProcess {
  const options: SpawnOptions = {
    cwd: "/",
    env: ready.env,
    stdio: ["ignore", "pipe", "pipe", ...ready.fds.map(() => "pipe" as const)],
    ...host.owner,
  };
  if (host.inherited.length === 0) return spawn(host.bwrap, ready.argv, { ...options, argv0: name });
  // Node closes for its children what it opened itself, not what was open when it started. bash would add variables: `-c`.
  const closing = host.inherited.map((descriptor) => `${descriptor}>&-`).join(" ");
  return spawn(
    "/bin/bash",
    ["-c", `exec ${closing}; exec -c -a "$@"`, "bash", name, host.bwrap, ...ready.argv],
    options,
  );
}

/** Feeds bubblewrap what it reads, hears what it says, and knows when all of it is dead. */
function follow(child: ChildProcess, ready: Ready): Started {
  const pid1 = Promise.withResolvers<number | undefined>();
  let first: Process | undefined;
  let ran = false;
  let gate: Writable | undefined;
  let killed = false;
  let failure: string | undefined;
  const kill = () => {
    killed = true;
    if (first === undefined) {
      // Before bubblewrap has said who process 1 is, that process may not follow its parent into death yet.
      setTimeout(() => child.kill("SIGKILL"), sayMsMax).unref();
      return;
    }
    child.kill("SIGKILL");
    killProcess(first);
  };
  const hear = (line: string) => {
    const said = parse(line);
    if (typeof said["exit-code"] === "number") ran = true;
    if (typeof said["child-pid"] !== "number" || first !== undefined) return;
    first = identify(said["child-pid"]);
    if (killed) kill();
    pid1.resolve(first?.pid);
  };
  ready.fds.forEach((descriptor, index) => {
    const pipe = child.stdio[index + 3] as (Writable & Readable) | null | undefined;
    if (pipe === null || pipe === undefined) return;
    // bubblewrap may end before it has read everything; its exit says why.
    pipe.on("error", () => {});
    if (descriptor.kind === "bytes") pipe.end(descriptor.bytes);
    else if (descriptor.kind === "status") eachLine(pipe, hear);
    else gate = pipe;
    if (descriptor.kind !== "status") pipe.resume();
  });
  child.on("error", (error) => {
    failure = `bubblewrap cannot be started: ${error.message}`;
    pid1.resolve(undefined);
  });
  child.on("exit", () => {
    if (first !== undefined) killProcess(first);
    pid1.resolve(first?.pid);
    gate?.destroy();
  });
  const closed = new Promise<readonly [number | null, string | null]>((done) => {
    child.on("close", (code, name) => done([code, name]));
    child.on("error", () => child.pid === undefined && done([null, null]));
  });
  const ended = closed.then(async ([code, name]) => {
    if (first !== undefined) await gone(first);
    return { ran, code, signal: name, failure };
  });
  return {
    kind: "started",
    child,
    status: { started: pid1.promise, open: () => gate?.end("\n") },
    ended,
    kill,
  };
}

/** Looks at once again this often before it waits by the clock. */
const looksMax = 50;

/** The kernel gives no event for a process that is not a child; it mostly takes well under a millisecond. */
async function gone(process: Process): Promise<void> {
  for (let look = 0; isAlive(process); look++) {
    killProcess(process);
    await (look < looksMax ? breathe() : after(Math.min(20, look - looksMax + 1)));
  }
}

function killProcess(target: Process): void {
  if (!isAlive(target)) return;
  try {
    process.kill(target.pid, "SIGKILL");
  } catch {
    // It ended in between.
  }
}

function eachLine(stream: Readable, tell: (line: string) => void): void {
  let rest = "";
  stream.on("data", (chunk: Buffer) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) tell(line);
  });
}

function parse(line: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return {};
  }
}
