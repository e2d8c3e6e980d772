/**
 * The verifier's own process. It has an empty environment, no key and no store; it is told everything over standard
 * input, and ends at once when that closes: then its jails, which die with their parent, end too.
 */
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import type { GateRun } from "../../domain/gate.ts";
import type { Commit } from "../../domain/id.ts";
import type { ProofFacts } from "../../domain/verdict.ts";
import { printable } from "../../kit/bounded.ts";
import type { FirstLook, Trial } from "../../ports/verifier.ts";
import { type Answer, Opening, Request, trialOf } from "./wire.ts";

/** What the process can do once it knows its opening. */
export interface Service {
  /** Gets ready for a question about this base; what goes wrong is told by the question. */
  expect(gitDir: string, base: Commit): void;
  run(trial: Trial, signal: AbortSignal): Promise<readonly GateRun[]>;
  prove(trial: Trial, signal: AbortSignal, first?: FirstLook): Promise<ProofFacts>;
}

export interface Ends {
  readonly input: Readable;
  readonly output: Writable;
  /** For people: why it ends. */
  readonly words: Writable;
  /** Ends the process with this code, whatever still runs. */
  exit(code: number): void;
}

/** Serves until the input closes. The first line opens the service; a line that is no request ends the process with 2. */
export function serveVerifier(
  open: (opening: Opening) => Service,
  { input, output, words, exit }: Ends,
): void {
  const running = new Map<number, AbortController>();
  let service: Service | undefined;
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  const answer = (value: Answer) => output.write(`${JSON.stringify(value)}\n`);
  lines.on("line", (line) => {
    if (service === undefined) {
      const opening = Opening.safeParse(jsonOf(line));
      if (!opening.success) return exit(2);
      try {
        service = open(opening.data);
      } catch (error) {
        words.write(`${error instanceof Error ? error.message : String(error)}\n`);
        exit(1);
      }
      return undefined;
    }
    const request = Request.safeParse(jsonOf(line));
    if (!request.success) return exit(2);
    const { id } = request.data;
    if (request.data.kind === "cancel") return running.get(id)?.abort();
    if (request.data.kind === "expect")
      return service.expect(request.data.gitDir, request.data.base as Commit);
    const stop = new AbortController();
    running.set(id, stop);
    void serve(request.data, service, { signal: stop.signal, answer }).then((value) => {
      running.delete(id);
      answer(value);
    });
    return undefined;
  });
  lines.on("close", () => exit(0));
  output.on("error", () => exit(0));
}

async function serve(
  request: Extract<Request, { kind: "run" | "prove" }>,
  service: Service,
  { signal, answer }: { readonly signal: AbortSignal; answer(value: Answer): void },
): Promise<Answer> {
  const { id } = request;
  try {
    const trial = trialOf(request.trial);
    if (request.kind === "run")
      return { id, kind: "ran", runs: [...(await service.run(trial, signal))] as never };
    const first: FirstLook | undefined = request.first && {
      checks: request.first as FirstLook["checks"],
      seen: (runs) => answer({ id, kind: "seen", runs: [...runs] as never }),
    };
    return { id, kind: "proved", facts: (await service.prove(trial, signal, first)) as never };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { id, kind: "failed", why: printable(why).replaceAll("\n", " ").slice(0, 1_000) };
  }
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
