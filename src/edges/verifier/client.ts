import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, rmSync } from "node:fs";
import { getCompileCacheDir } from "node:module";
import { dirname, join } from "node:path";
import { printable } from "../../kit/bounded.ts";
import { inTurns } from "../../kit/turns.ts";
import {
  type FirstLook,
  type Trial,
  type Verifier,
  VerifierError,
  VerifierLost,
} from "../../ports/verifier.ts";
import { isAlive } from "../alive.ts";
import { Answer, factsOf, lineCharactersMax, type Opening, runOf } from "./wire.ts";

export interface VerifierOptions extends Omit<Opening, "kind" | "task"> {
  /** Absolute path of the program that calls `serveVerifier`. */
  readonly entry: string;
  /** Proofs at one time, 1 or more: each is a process that may hold a share of the memory. The others wait in order. */
  readonly proofsMax: number;
}

/** After a proof the next process is begun when so much time has passed: most goals end before, and need none. */
const readyAfterMs = 300;
/** Standard error of the process that is kept for its last words. */
const wordsCharactersMax = 2_000;

/**
 * A verifier in processes of its own: a lasting one for `run`, and for each `prove` a fresh one, of which one is kept
 * ready and warm. Disposing kills them all; so does the end of this process.
 */
export function openVerifier(options: VerifierOptions): Verifier & AsyncDisposable {
  sweep(options.workRoot);
  const all = new Set<Worker>();
  const start = (task: Opening["task"]) => {
    const worker = startWorker(options, task);
    all.add(worker);
    void worker.gone.then(() => {
      all.delete(worker);
      sweep(options.workRoot);
    });
    return worker;
  };
  const turns = inTurns(options.proofsMax);
  let lasting = start("run");
  let spare: Worker | undefined;
  let soon: NodeJS.Timeout | undefined;
  let isOpen = true;
  const makeReady = (trial: Trial) => {
    clearTimeout(soon);
    spare ??= start("prove");
    spare.expect(trial);
  };
  return {
    isolation: options.isolation,
    run: async (trial, signal) => {
      if (lasting.isGone()) lasting = start("run");
      const running = lasting.ask("run", trial, signal);
      // A run mostly comes before a proof, and leaves time to make one ready.
      makeReady(trial);
      const answer = await running;
      if (answer.kind !== "ran")
        throw new VerifierError("the verifier gave another answer than it was asked for");
      return answer.runs.map(runOf);
    },
    prove: (trial, signal, first) => turns(() => proveNow(trial, signal, first), signal),
    [Symbol.asyncDispose]: async () => {
      isOpen = false;
      clearTimeout(soon);
      const ends = [...all].map((worker) => worker.gone);
      for (const worker of all) worker.kill();
      await Promise.all(ends);
      sweep(options.workRoot);
    },
  };

  async function proveNow(...[trial, signal, first]: Parameters<Verifier["prove"]>) {
    signal.throwIfAborted();
    const worker = spare === undefined || spare.isGone() ? start("prove") : spare;
    spare = undefined;
    try {
      const answer = await worker.ask("prove", trial, signal, first);
      if (answer.kind !== "proved")
        throw new VerifierError("the verifier gave another answer than it was asked for");
      return factsOf(answer.facts);
    } finally {
      worker.kill();
      clearTimeout(soon);
      if (isOpen) soon = setTimeout(() => makeReady(trial), readyAfterMs);
    }
  }
}

/** Folders that a verifier of an earlier run left behind because it was killed. Their names carry its process id. */
function sweep(workRoot: string): void {
  let names: readonly string[] = [];
  try {
    names = readdirSync(workRoot);
  } catch {
    return;
  }
  for (const name of names) {
    const id = /^(?:proof|gate)-(\d+)-/.exec(name)?.[1];
    if (id === undefined || isAlive(Number(id))) continue;
    try {
      rmSync(join(workRoot, name), { recursive: true, force: true });
    } catch {
      // Its last jail is still dying, and writing: what resists now goes the next time.
    }
  }
}

type Good = Exclude<Answer, { kind: "failed" | "seen" }>;

interface Worker {
  /** Rejects with `signal.reason`, VerifierLost when the process was killed, or VerifierError when it could not do it. */
  ask(kind: "run" | "prove", trial: Trial, signal: AbortSignal, first?: FirstLook): Promise<Good>;
  /** Says what the next question will probably be about. */
  expect(trial: Trial): void;
  isGone(): boolean;
  kill(): void;
  /** Resolves when the process is dead. Never rejects. */
  readonly gone: Promise<void>;
}

interface Question {
  readonly resolve: (answer: Good) => void;
  readonly reject: (error: unknown) => void;
  /** For what is told before the end, once; undefined when nothing of the kind was asked. */
  seen: FirstLook["seen"] | undefined;
}

function startWorker({ entry, proofsMax: _, ...opening }: VerifierOptions, task: Opening["task"]): Worker {
  // Where this process keeps compiled code; Node names its own version's folder in it.
  const cache = getCompileCacheDir();
  const words = ["--no-warnings", entry, ...(cache === undefined ? [] : [dirname(cache)])];
  const child = spawn(process.execPath, words, { env: {}, cwd: "/", stdio: "pipe" });
  const questions = new Map<number, Question>();
  let next = 0;
  let isGone = false;
  let lastWords = "";
  /** Why this side ended it: then nobody else did. */
  let distrust: string | undefined;
  const lose = (error: VerifierError) => {
    isGone = true;
    for (const question of questions.values()) question.reject(error);
    questions.clear();
  };
  const ended = (why: string) => {
    const last = printable(lastWords.trim().split("\n").at(-1) ?? "").slice(0, 300);
    return new VerifierError(`the verifier process ended (${why})${last === "" ? "" : `: ${last}`}`);
  };
  const gone = once(child, "close").then(
    ([code, signal]) => {
      if (signal === null) lose(ended(`exit code ${String(code)}`));
      else if (distrust !== undefined) lose(ended(distrust));
      else lose(new VerifierLost(`the verifier process was killed (${String(signal)})`));
    },
    (error: Error) => lose(ended(error.message)),
  );
  const end = (why: string) => {
    distrust ??= why;
    child.kill("SIGKILL");
  };
  child.stderr.on("data", (bytes: Buffer) => {
    lastWords = (lastWords + bytes.toString("utf8")).slice(-wordsCharactersMax);
  });
  child.stdin.on("error", () => {});
  onLines(child, (line) => settle(line, questions, end), end);
  const send = (value: unknown) => child.stdin.write(`${JSON.stringify(value)}\n`);
  send({ kind: "open", task, ...opening });
  return {
    gone,
    isGone: () => isGone,
    expect: ({ gitDir, base }) => send({ id: 0, kind: "expect", gitDir, base }),
    kill: () => {
      isGone = true;
      child.kill("SIGKILL");
    },
    ask: (kind, trial, signal, first) =>
      new Promise<Good>((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const id = ++next;
        const onAbort = () => {
          questions.delete(id);
          if (kind === "prove") child.kill("SIGKILL");
          else send({ id, kind: "cancel" });
          reject(signal.reason);
        };
        signal.addEventListener("abort", onAbort, { once: true });
        const settled =
          <Value>(act: (value: Value) => void) =>
          (value: Value) => {
            signal.removeEventListener("abort", onAbort);
            act(value);
          };
        questions.set(id, { resolve: settled(resolve), reject: settled(reject), seen: first?.seen });
        if (isGone) return lose(new VerifierLost("the verifier process had ended before it was asked"));
        send({ id, kind, trial, first: first?.checks });
        return undefined;
      }),
  };
}

/** What is no answer, or an answer to nothing that was asked in vain, is not believed: the process is ended. */
function settle(line: string, questions: Map<number, Question>, end: (why: string) => void): void {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    end("it wrote what is no answer");
    return;
  }
  const answer = Answer.safeParse(value);
  if (!answer.success) {
    end("it gave an answer of another shape");
    return;
  }
  const question = questions.get(answer.data.id);
  if (answer.data.kind === "seen") {
    question?.seen?.(answer.data.runs.map(runOf));
    if (question !== undefined) question.seen = undefined;
    return;
  }
  questions.delete(answer.data.id);
  if (question === undefined) return;
  if (answer.data.kind === "failed") question.reject(new VerifierError(answer.data.why));
  else question.resolve(answer.data);
}

function onLines(
  child: ChildProcessWithoutNullStreams,
  take: (line: string) => void,
  end: (why: string) => void,
): void {
  let parts: string[] = [];
  let held = 0;
  child.stdout.setEncoding("utf8");
  child.stdout.on("data", (text: string) => {
    const pieces = text.split("\n");
    for (const [index, piece] of pieces.entries()) {
      parts.push(piece);
      held += piece.length;
      if (held > lineCharactersMax) end("its answer is too long");
      if (index === pieces.length - 1) return;
      take(parts.join(""));
      parts = [];
      held = 0;
    }
  });
}
