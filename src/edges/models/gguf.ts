/**
 * A model file on this machine, run by llama.cpp through the package node-llama-cpp, which is installed apart (`llama/`).
 *
 * 1. The file is loaded by a process of its own (`ggufchild`), at the first question: what crashes there is a failed call.
 * 2. One process a file, one question at a time: who comes while it is at work is told so. An abort kills it.
 * 3. It has a bounded memory and no key, and is gone once nobody asked for a while, or its owner is.
 */
import { availableParallelism } from "node:os";
import { noUsage, type Reply } from "../../domain/reply.ts";
import { printable } from "../../kit/bounded.ts";
import type { Model, Price, Prompt } from "../../ports/model.ts";
import { hold, isGone, kill, type Run, startRun } from "./ggufprocess.ts";
import { type AskWords, type LoadWords, Told } from "./ggufwords.ts";

export interface GgufSettings {
  /** The provider's name in the configuration. */
  readonly provider: string;
  /** As the configuration names it. */
  readonly name: string;
  readonly price: Price | undefined;
  /** The file, absolute. */
  readonly path: string;
  /** Tokens of prompt and answer together; fewer where the model was trained for fewer. */
  readonly contextTokens: number;
  /** The whole call, with what loading takes: 1 to 2^31-1 ms. */
  readonly timeoutMs: number;
  /** The environment; of it the process sees what it needs to find a graphics card. */
  readonly variables: Readonly<Record<string, string | undefined>>;
}

export function ggufModel(settings: GgufSettings): Model {
  const { provider, name, price, path, contextTokens, timeoutMs } = settings;
  const ask: Model["ask"] = async (prompt, signal, onText) => {
    signal.throwIfAborted();
    const key = `${contextTokens} ${path}`;
    const engine = engines.get(key) ?? new Engine(settings);
    engines.set(key, engine);
    const startedAt = performance.now();
    const end = await engine.ask(prompt, { signal, onText, timeoutMs });
    return replyOf(end, Math.round(performance.now() - startedAt));
  };
  return { provider, name, price, ask };
}

function replyOf(end: End, wallMs: number): Reply {
  if (end.kind === "said") return { ...end, headers: {}, wallMs };
  const why = printable(end.why.slice(0, 4000)).replace(/\s+/g, " ").trim().slice(0, 400);
  return {
    ...{ kind: "failed", fault: { kind: end.fault, why } },
    ...{ usage: noUsage, headers: {}, readings: [], wallMs },
  };
}

/** All of this process: goals open their models anew, and a file must not be loaded for each of them. */
const engines = new Map<string, Engine>();

/** Nobody asked for so long: the memory is given back. Between two calls lie proofs. */
const idleMsMax = 15 * 60_000;
/** Beyond any answer of 128,000 tokens. */
const answerCharactersMax = 4 * 1024 * 1024;

type End = Exclude<Told, { readonly kind: "text" }>;

interface Talk {
  readonly signal: AbortSignal;
  readonly onText: ((textSoFar: string) => void) | undefined;
  readonly timeoutMs: number;
}

/** The process of one file, while there is one. */
class Engine {
  readonly #settings: GgufSettings;
  #run: Run | undefined;
  #isBusy = false;
  #idle: NodeJS.Timeout | undefined;

  constructor(settings: GgufSettings) {
    this.#settings = settings;
  }

  async ask(prompt: Prompt, talk: Talk): Promise<End> {
    if (this.#isBusy)
      return failure("capacity", "this model is at work on another question; leave its concurrency at 1");
    this.#isBusy = true;
    clearTimeout(this.#idle);
    const run = this.#run !== undefined && !isGone(this.#run) ? this.#run : this.#start();
    hold(run, "ref");
    try {
      return await converse(run, prompt, talk);
    } finally {
      hold(run, "unref");
      this.#isBusy = false;
      this.#idle = setTimeout(() => void kill(run), idleMsMax).unref();
    }
  }

  #start(): Run {
    const { path, contextTokens, variables } = this.#settings;
    const run = startRun(variables);
    this.#run = run;
    // One core stays for whoever owns it.
    const threads = Math.max(1, availableParallelism() - 1);
    send(run, { kind: "load", path, contextTokens, threads });
    return run;
  }
}

/** A message that does not arrive needs no words of its own: the process is gone, which is noticed anyway. */
function send({ process: child }: Run, words: LoadWords | AskWords): void {
  child.send(words, () => undefined);
}

/** One question and its end. A process that did not end it well is killed, and gone when this settles. */
async function converse(run: Run, prompt: Prompt, { signal, onText, timeoutMs }: Talk): Promise<End> {
  const { system, messages, outputTokensMax, temperature } = prompt;
  const { process: child } = run;
  const ending = Promise.withResolvers<End>();
  let shown = "";
  const hear = (raw: unknown) => {
    const told = Told.safeParse(raw);
    if (!told.success) return ending.resolve(failure("capacity", "the process of the model speaks nonsense"));
    if (told.data.kind !== "text") return ending.resolve(told.data);
    shown += told.data.text;
    if (shown.length > answerCharactersMax)
      return ending.resolve(
        failure("request", `the answer is larger than ${answerCharactersMax} characters`),
      );
    try {
      onText?.(shown);
    } catch (error) {
      // The caller's bug, which must not look like a failure of the model.
      ending.reject(error);
    }
  };
  const gone = (code: number | null, by: string | null) => {
    const how = `the process of the model ended (${by ?? `exit code ${code}`})`;
    ending.resolve(failure("capacity", [how, run.lastWords()].filter((part) => part !== "").join(": ")));
  };
  const broken = (error: Error) =>
    ending.resolve(failure("capacity", `the process of the model fails: ${error.message}`));
  const stop = () => ending.reject(signal.reason);
  const late = () => ending.resolve(failure("capacity", `no complete answer within ${timeoutMs / 1000} s`));
  const timer = setTimeout(late, timeoutMs);
  child.on("message", hear).on("exit", gone).on("error", broken);
  signal.addEventListener("abort", stop);
  send(run, {
    kind: "ask",
    prompt: { system, messages, outputTokensMax, temperature },
    isWatched: onText !== undefined,
  });
  let isWell = false;
  try {
    const end = await ending.promise;
    isWell = end.kind === "said" || end.fault === "too-large";
    if (end.kind === "said" && end.text !== shown) onText?.(end.text);
    return end;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
    child.off("message", hear).off("exit", gone).off("error", broken);
    if (!isWell) await kill(run);
  }
}

function failure(fault: "capacity" | "request", why: string): End {
  return { kind: "failed", fault, why };
}
