/**
 * The foreman as a process of its own: it owns the home, goes on with what is open, and works on what other commands bring.
 *
 * 1. It is an owner as any other (owner.ts): whoever comes later is its guest, and takes over where it is killed.
 * 2. Told to stop, by a signal or over its socket, it gives every bead back before it lets go of the home.
 * 3. What it writes is bounded: a log that is full becomes the old one, and that one is the last.
 */
import { spawn } from "node:child_process";
import { appendFileSync, closeSync, openSync, readFileSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Event } from "../domain/event.ts";
import { isAlive } from "../edges/alive.ts";
import { becomeOwner } from "../edges/store/owner.ts";
import { callOwner, socketPath } from "../edges/store/socket.ts";
import { type AtWork, type KeepWish, UsageError, workersMost } from "../faces/house.ts";
import { requireHome } from "./home.ts";
import { type Inside, ownerOptions, realClock } from "./inside.ts";
import { type Owner, type OwnerMethods, openOwner } from "./owner.ts";

/** Open goals it goes on with when it starts; the rest waits for `goal resume`. */
const goalsMax = 1_000;
/** Largest log, in bytes; twice that with the old one. */
const logBytesMax = 2 * 1_048_576;
/** How long a new process has until it answers, and one that is asked to stop until it is gone. */
const startMsMax = 20_000;
const stopMsMax = 90_000;
/** How often one looks whether another process has come or gone: nobody tells. */
const lookEveryMs = 50;

function logOf(home: string): string {
  return join(home, "foreman.log");
}

/** What else the owner of a home does: begun when it is the owner, closed before anything is given back. */
export type Sideline = (owner: Owner, tell: (line: string) => void) => Promise<{ close(): Promise<void> }>;

const none: Sideline = async () => ({ close: async () => undefined });

/** See `House.keep`. */
export async function keepHome(
  inside: Inside,
  wish: KeepWish,
  say: (line: string) => void,
  signal: AbortSignal,
  sideline = none,
): Promise<void> {
  const dismissal = new AbortController();
  const ending = AbortSignal.any([signal, dismissal.signal]);
  const log = wish.log === undefined ? undefined : logging(wish.log);
  const tell = (line: string) => {
    say(line);
    log?.(line);
  };
  const options = await ownerOptions(inside, wish.workersMax ?? workersMost);
  const watched: typeof options = {
    ...options,
    openTools: (store, watch) =>
      options.openTools(store, (sight) => {
        if (sight.kind === "recorded") for (const line of linesOf(sight.recorded.event)) tell(line);
        watch(sight);
      }),
  };
  const lock = await becomeOwner(options.home);
  if (lock.kind === "owned") throw new UsageError(await whoOwns(options.home));
  const owner = await openOwner(watched, lock, () => dismissal.abort(new Error("asked to stop")));
  try {
    tell(`the foreman is here: process ${process.pid}, home ${options.home}`);
    const beside = await sideline(owner, tell);
    try {
      await goOn(owner, watched, tell, ending);
      if (!ending.aborted)
        await new Promise<void>((resolve) =>
          ending.addEventListener("abort", () => resolve(), { once: true }),
        );
    } finally {
      await beside.close();
    }
    tell("the foreman stops: everything is given back");
    await owner.rest();
  } finally {
    await owner.close();
  }
  tell("the foreman has stopped");
}

/** A goal that cannot be gone on with stays open, and is said; it keeps no other from its turn. */
async function goOn(
  owner: Owner,
  { openReader }: Awaited<ReturnType<typeof ownerOptions>>,
  tell: (line: string) => void,
  ending: AbortSignal,
): Promise<void> {
  const reader = await openReader();
  const open = await reader.view.goals({ open: true, countMax: goalsMax }).finally(() => reader.close());
  for (const { id, isUnbegun } of open.toReversed()) {
    if (ending.aborted) return;
    if (isUnbegun) continue;
    try {
      for (const note of await owner.takeUp(id)) tell(`goal ${id}: ${note}`);
      tell(`goal ${id} goes on`);
    } catch (error) {
      tell(`goal ${id} cannot go on: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

function linesOf(event: Event): readonly string[] {
  switch (event.type) {
    case "bead-integrated":
      return [`bead ${event.bead} integrated as ${event.commit.slice(0, 12)}`];
    case "bead-parked":
      return [`bead ${event.bead} parked (${event.cause})`];
    case "goal-ended":
      return [`goal ${event.goal} ended: ${event.end.outcome}`];
    default:
      return [];
  }
}

/** Lines with their moment; a full file becomes "<file>.1", in place of the one before. */
function logging(path: string): (line: string) => void {
  return (line) => {
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (size > logBytesMax) renameSync(path, `${path}.1`);
    const flat = line.replaceAll(/\s+/g, " ").slice(0, 1_000);
    appendFileSync(path, `${new Date(realClock.now()).toISOString()} ${flat}\n`, { mode: 0o600 });
  };
}

async function whoOwns(home: string): Promise<string> {
  const owner = await askWho(home);
  if (owner === undefined) return "another rigs process owns this home: wait for it, or end it and try again";
  return owner.role === "foreman"
    ? `the foreman runs already: process ${owner.process}; stop it with: rigs foreman stop`
    : `process ${owner.process} works on its own goal here: wait for it, or stop it there with Ctrl-C`;
}

/** Undefined where nobody answers within a second. */
async function askWho(home: string): Promise<OwnerMethods["working"]["result"] | undefined> {
  const signal = AbortSignal.timeout(1_000);
  const called = await callOwner<OwnerMethods, "working">(socketPath(home), "working", {}, signal).catch(
    () => undefined,
  );
  return called?.kind === "answered" ? called.result : undefined;
}

/** See `House.startForeman`. Its own process group and no terminal: it outlives the shell that it was started from. */
export async function startForeman(
  inside: Inside,
  signal: AbortSignal,
): Promise<Extract<AtWork, { readonly kind: "process" }>> {
  const { home } = inside.places;
  requireHome(home);
  await inside.config();
  const there = await askWho(home);
  if (there !== undefined) throw new UsageError(await whoOwns(home));
  const log = logOf(home);
  const from = statSync(log, { throwIfNoEntry: false })?.size ?? 0;
  // The program's own words go to the log by --log; this catches what a crash says.
  const output = openSync(log, "a", 0o600);
  const child = spawn(process.execPath, [entry(), "--home", home, "foreman", "run", "--log", log], {
    cwd: home,
    env: { ...inside.variables },
    detached: true,
    stdio: ["ignore", "ignore", output],
  });
  closeSync(output);
  let exit: string | undefined;
  child.once("exit", (code, killed) => {
    exit = String(code ?? killed);
  });
  child.once("error", (error) => {
    exit = error.message;
  });
  try {
    for (const until = realClock.now() + startMsMax; realClock.now() < until && exit === undefined; ) {
      const owner = await askWho(home);
      if (owner !== undefined && owner.process === child.pid) return { kind: "process", ...owner };
      await realClock.sleep(lookEveryMs, signal);
    }
  } finally {
    child.unref();
  }
  const said = readFileSync(log, "utf8").slice(from).trim().split("\n").at(-1) ?? "";
  throw new UsageError(
    exit === undefined
      ? `the foreman does not answer after ${startMsMax / 1_000} s; see ${log}`
      : `the foreman ended at once (${exit}): ${said === "" ? `see ${log}` : said}`,
  );
}

/** The program as this process runs it: from sources, or built. */
function entry(): string {
  const ending = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
  return fileURLToPath(new URL(`../main${ending}`, import.meta.url));
}

/** See `House.stopForeman`. */
export async function stopForeman(inside: Inside, signal: AbortSignal): Promise<void> {
  const { home } = inside.places;
  const owner = await askWho(home);
  const called = await callOwner<OwnerMethods, "stop">(
    socketPath(home),
    "stop",
    {},
    AbortSignal.any([signal, AbortSignal.timeout(5_000)]),
  );
  if (called.kind === "refused") throw new UsageError(called.why);
  for (const until = realClock.now() + stopMsMax; realClock.now() < until; ) {
    const lock = await becomeOwner(home);
    if (lock.kind === "owner") {
      await lock.release();
      // It let go of the home a moment before its end.
      while (owner !== undefined && isAlive(owner.process) && realClock.now() < until)
        await realClock.sleep(lookEveryMs, signal);
      return;
    }
    await realClock.sleep(lookEveryMs, signal);
  }
  throw new UsageError(`the foreman has not stopped after ${stopMsMax / 1_000} s; see ${logOf(home)}`);
}
