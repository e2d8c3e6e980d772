/**
 * The process of one local model: loads a file, answers questions one after the other, and ends with its owner. Native code
 * over a file that somebody else wrote runs here and nowhere else; the environment holds no key. The file's chat template
 * is data: an interpreter of templates lays the conversation out with it, which can spoil answers and run nothing.
 */
import { writeFileSync } from "node:fs";
import { setPriority } from "node:os";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type { AskWords, LoadWords, Told } from "./ggufwords.ts";

/** Of node-llama-cpp, what is used here: it need not be there when this is built. */
interface Llama {
  getLlama(options: {
    readonly build: "never";
    readonly skipDownload: true;
    readonly progressLogs: false;
    readonly maxThreads: number;
    readonly logger: (level: string, message: string) => void;
  }): Promise<{ loadModel(options: { readonly modelPath: string }): Promise<LoadedFile> }>;
  readonly LlamaChat: new (options: { readonly contextSequence: Sequence }) => Chat;
}
interface LoadedFile {
  readonly trainContextSize: number;
  readonly tokenizer: unknown;
  createContext(options: {
    readonly contextSize: number;
    readonly threads: number;
  }): Promise<{ readonly contextSize: number; getSequence(): Sequence }>;
}
interface Sequence {
  readonly tokenMeter: { readonly usedInputTokens: number; readonly usedOutputTokens: number };
}
interface Chat {
  readonly chatWrapper: {
    generateContextState(options: { readonly chatHistory: readonly Turn[] }): {
      readonly contextText: { tokenize(tokenizer: unknown): readonly unknown[] };
    };
  };
  generateResponse(
    history: readonly Turn[],
    options: {
      readonly maxTokens: number;
      readonly temperature: number;
      readonly onTextChunk: (text: string) => void;
    },
  ): Promise<{ readonly response: string; readonly metadata: { readonly stopReason: string } }>;
}
type Turn =
  | { readonly type: "system" | "user"; readonly text: string }
  | { readonly type: "model"; readonly response: readonly string[] };

interface Loaded {
  readonly model: LoadedFile;
  readonly chat: Chat;
  readonly sequence: Sequence;
  readonly contextTokens: number;
}

/** Of a folder of its own: `gguffile` has looked whether it is installed there. */
const way = new URL("../../../llama/index.js", import.meta.url);
/** An answer that has room for fewer tokens than this is not worth its prompt. */
const roomTokensMin = 512;

let loading: Promise<Loaded> | undefined;
/** The last words of llama.cpp about what went wrong; its exceptions say little. */
let complaint = "";

process.on("disconnect", () => process.exit(0));
// The same where this thread never comes back from a template that goes round for ever, and so hears of no end.
const owner = Number(process.argv[2]);
const watch = `setInterval(() => process.ppid === ${owner} || process.kill(process.pid, "SIGKILL"), 1000)`;
new Worker(watch, { eval: true }).unref();

process.on("message", (words: LoadWords | AskWords) => {
  if (words.kind === "load") {
    giveWay();
    loading = load(words);
    // Told with the first question.
    loading.catch(() => undefined);
  } else void answer(words).then((told) => process.send?.(told));
});

/** Whoever proves goes first, and where memory ends this process does, not its owner. */
function giveWay(): void {
  try {
    setPriority(5);
    writeFileSync("/proc/self/oom_score_adj", "1000");
  } catch {
    // Other systems have neither.
  }
}

async function load({ path, contextTokens, threads }: LoadWords): Promise<Loaded> {
  const { getLlama, LlamaChat } = (await import(way.href)) as Llama;
  const llama = await getLlama({
    ...{ build: "never", skipDownload: true, progressLogs: false, maxThreads: threads },
    logger: (level, message) => {
      if ((level === "error" || level === "fatal") && complaint === "") complaint = message;
    },
  });
  const model = await llama.loadModel({ modelPath: path });
  const contextSize = Math.min(contextTokens, model.trainContextSize);
  const context = await model.createContext({ contextSize, threads });
  const sequence = context.getSequence();
  const chat = new LlamaChat({ contextSequence: sequence });
  return { model, chat, sequence, contextTokens: Math.min(contextSize, context.contextSize) };
}

async function answer(words: AskWords): Promise<Told> {
  let loaded: Loaded;
  try {
    loaded = await (loading ?? Promise.reject(new Error("nothing was loaded")));
  } catch (error) {
    // What llama.cpp says arrives some turns after what it throws.
    for (let turns = 0; turns < 100 && complaint === ""; turns++) await nextTurn();
    return { kind: "failed", fault: "request", why: `the model cannot be loaded: ${wordsOf(error)}` };
  }
  try {
    return await generate(loaded, words);
  } catch (error) {
    return { kind: "failed", fault: "capacity", why: `the model broke off: ${wordsOf(error)}` };
  }
}

async function generate(loaded: Loaded, { prompt, isWatched }: AskWords): Promise<Told> {
  const { model, chat, sequence, contextTokens } = loaded;
  const history = historyOf(prompt);
  const laidOut = chat.chatWrapper.generateContextState({ chatHistory: history }).contextText;
  const input = laidOut.tokenize(model.tokenizer).length;
  const room = contextTokens - input;
  if (room < Math.min(prompt.outputTokensMax, roomTokensMin))
    return {
      ...{ kind: "failed", fault: "too-large" },
      why: `the prompt takes ${input} of the ${contextTokens} tokens that the model is loaded for; raise context_tokens, or lower context_tokens_max`,
    };
  const { usedInputTokens, usedOutputTokens } = sequence.tokenMeter;
  const { response, metadata } = await chat.generateResponse(history, {
    maxTokens: Math.min(prompt.outputTokensMax, room),
    temperature: prompt.temperature,
    onTextChunk: (text) => {
      if (isWatched) process.send?.({ kind: "text", text } satisfies Told);
    },
  });
  const read = sequence.tokenMeter.usedInputTokens - usedInputTokens;
  const output = sequence.tokenMeter.usedOutputTokens - usedOutputTokens;
  // The last token is read with the first of the answer.
  const usage = { input, cachedInput: Math.max(0, input - 1 - read), output };
  return { kind: "said", text: response, finish: finishOf(metadata.stopReason), usage };
}

function historyOf({ system, messages }: AskWords["prompt"]): readonly Turn[] {
  const turns = messages.map(
    ({ from, text }): Turn =>
      from === "user" ? { type: "user", text } : { type: "model", response: [text] },
  );
  return [{ type: "system", text: system }, ...turns, { type: "model", response: [] }];
}

function finishOf(reason: string): "stop" | "length" | "other" {
  if (reason === "maxTokens") return "length";
  return reason === "eogToken" || reason === "stopGenerationTrigger" ? "stop" : "other";
}

function wordsOf(error: unknown): string {
  const said = error instanceof Error ? error.message : String(error);
  const advice = /too large for the available/.test(said) ? "; lower context_tokens" : "";
  return `${said}${complaint === "" || advice !== "" ? "" : ` (${complaint})`}${advice}`;
}
