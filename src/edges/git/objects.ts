import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { RepositoryError } from "../../ports/repository.ts";
import { complaintOf, type Git } from "./command.ts";
import { shown } from "./path.ts";

export interface GitObject {
  readonly name: string;
  readonly kind: string;
  readonly bytes: Buffer;
}

/** Reads objects of one repository through one `git cat-file --batch`, in the order asked. */
export interface Objects {
  /**
   * `revision` is an object name, or one with `^{tree}` or the like; it holds no line break. Undefined when there is
   * none. Rejects with RepositoryError when the object is larger than `bytesMax` or git fails.
   */
  get(revision: string, bytesMax?: number): Promise<GitObject | undefined>;
}

interface Question {
  readonly revision: string;
  readonly bytesMax: number;
  readonly resolve: (object: GitObject | undefined) => void;
  readonly reject: (error: Error) => void;
}

const bytesMaxDefault = 64 * 1024 * 1024;
const idleMsMax = 2_000;

/**
 * The process starts with the first question and ends when nothing was asked for a while. It keeps this process alive
 * only while an answer is due, so that nobody has to close anything.
 */
export function openObjects(git: Git, gitDir: string): Objects {
  let batch: Batch | undefined;
  return {
    get: (revision, bytesMax = bytesMaxDefault) =>
      new Promise((resolve, reject) => {
        if (batch === undefined || batch.isOver()) batch = openBatch(git, gitDir);
        batch.ask({ revision, bytesMax, resolve, reject });
      }),
  };
}

interface Batch {
  ask(question: Question): void;
  isOver(): boolean;
}

function openBatch(git: Git, gitDir: string): Batch {
  const child = git.start({ gitDir, arguments: ["cat-file", "--batch"] });
  const complaint = complaintOf(child);
  const questions: Question[] = [];
  let isOver = false;
  let idle: NodeJS.Timeout | undefined;
  const end = (why: string) => {
    isOver = true;
    clearTimeout(idle);
    const error = new RepositoryError(
      `git could not read objects of ${shown(gitDir)} (${why}): run \`git fsck\` there`,
    );
    for (const question of questions.splice(0)) question.reject(error);
  };
  const rest = () => {
    hold(child, "unref");
    idle = setTimeout(() => {
      isOver = true;
      child.stdin.end();
    }, idleMsMax);
    idle.unref();
  };
  const parse = answers(questions, rest);
  child.stdin.on("error", () => {});
  child.stdout.on("data", parse);
  child.once("error", (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  child.once("close", () => end(complaint().split("\n")[0] ?? ""));
  return {
    isOver: () => isOver,
    ask(question) {
      clearTimeout(idle);
      hold(child, "ref");
      questions.push(question);
      child.stdin.write(`${question.revision}\n`);
    },
  };
}

/** Pipes are sockets in Node; the types do not say so. */
function hold(child: ChildProcessWithoutNullStreams, way: "ref" | "unref"): void {
  child[way]();
  for (const stream of [child.stdin, child.stdout, child.stderr]) {
    (stream as unknown as { ref(): void; unref(): void })[way]();
  }
}

/** The wire: `<name> <kind> <size>\n<bytes>\n`, or `<revision> missing\n`; git-cat-file(1), "BATCH OUTPUT". */
function answers(questions: Question[], rest: () => void): (chunk: Buffer) => void {
  let header = Buffer.alloc(0);
  let body: { readonly name: string; readonly kind: string; readonly size: number } | undefined;
  let parts: Buffer[] = [];
  let missing = 0;
  const settle = (act: (question: Question) => void) => {
    const question = questions.shift();
    if (question !== undefined) act(question);
    if (questions.length === 0) rest();
  };
  const readHeader = (chunk: Buffer): Buffer => {
    const stop = chunk.indexOf(10);
    header = Buffer.concat([header, stop === -1 ? chunk : chunk.subarray(0, stop)]);
    if (stop === -1) return chunk.subarray(chunk.length);
    const [name = "", kind = "", size = ""] = header.toString("utf8").split(" ");
    header = Buffer.alloc(0);
    if (size === "") settle((question) => question.resolve(undefined));
    else body = { name, kind, size: Number(size) };
    missing = Number(size) + 1;
    return chunk.subarray(stop + 1);
  };
  const readBody = (chunk: Buffer, { name, kind, size }: NonNullable<typeof body>): Buffer => {
    const part = chunk.subarray(0, missing);
    missing -= part.length;
    const isTooLarge = size > (questions[0]?.bytesMax ?? 0);
    if (!isTooLarge) parts.push(part);
    if (missing > 0) return chunk.subarray(part.length);
    const bytes = Buffer.concat(parts).subarray(0, size);
    parts = [];
    body = undefined;
    settle((question) =>
      isTooLarge ? question.reject(tooLarge(name, size)) : question.resolve({ name, kind, bytes }),
    );
    return chunk.subarray(part.length);
  };
  return (chunk) => {
    for (let left = chunk; left.length > 0; )
      left = body === undefined ? readHeader(left) : readBody(left, body);
  };
}

function tooLarge(name: string, size: number): RepositoryError {
  return new RepositoryError(
    `the object ${name} has ${size} bytes, too many to hold: keep such files out of the goal`,
  );
}
