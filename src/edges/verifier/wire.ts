/** What goes between the foreman's process and the verifier's: one JSON object a line, both ways. */
import { z } from "zod";
import type { GateRun } from "../../domain/gate.ts";
import type { ProofFacts } from "../../domain/verdict.ts";
import type { Trial } from "../../ports/verifier.ts";

/** The longest line either side accepts, characters. */
export const lineCharactersMax = 256 * 1024 * 1024;

const mutantsMax = 100;

/** What the process is told once, before anything else. */
export const Opening = z.object({
  kind: z.literal("open"),
  /** What it will be asked: a process made for proofs gets ready for them while it waits. */
  task: z.enum(["run", "prove"]),
  isolation: z.enum(["bubblewrap", "none"]),
  workRoot: z.string(),
  /** Folder of results on base; no jail reaches it. */
  resultFolder: z.string(),
  runsMax: z.number().int().min(1).max(1_024),
  cores: z.number().int().min(1),
  memoryBytes: z.number().int().min(1),
});
export type Opening = z.infer<typeof Opening>;

const Status = z.enum(["passed", "failed", "skipped"]);
const Role = z.enum(["acceptance", "guard", "part"]);
const Limit = z.enum(["wall", "cpu", "memory", "output", "processes", "disk"]).optional();
const ReportSource = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("recognise") }),
  z.object({ kind: z.literal("junit"), path: z.string() }),
  z.object({ kind: z.literal("exit-code") }),
  z.object({ kind: z.literal("run"), probe: z.string().optional() }),
]);
const Check = z.object({
  name: z.string(),
  command: z.string(),
  cwd: z.string(),
  role: Role,
  timeoutMs: z.number().int().min(1).max(3_600_000),
  report: ReportSource,
});
const Environment = z.object({
  key: z.string(),
  binds: z.array(z.object({ host: z.string(), inside: z.string(), access: z.enum(["read", "write"]) })),
  scratch: z.array(z.object({ inside: z.string(), bytesMax: z.number() })),
  variables: z.record(z.string(), z.string()),
  path: z.array(z.string()),
  owned: z.array(z.string()),
});
const Commit = z.string().regex(/^([0-9a-f]{40}|[0-9a-f]{64})$/);
const TrialShape = z.object({
  checks: z.array(Check).max(1_000),
  gitDir: z.string(),
  commit: Commit,
  base: Commit,
  protect: z.array(z.string()),
  allowChange: z.array(z.string()),
  environment: Environment,
  mutantsMax: z.number().int().min(0).max(mutantsMax),
});
const Output = z.object({ stdout: z.string(), stderr: z.string() });
const TestResult = z.object({
  id: z.string(),
  file: z.string().optional(),
  status: Status,
  message: z.string(),
});
const ran = {
  check: z.string(),
  runner: z.string(),
  exitCode: z.number().optional(),
  limit: Limit,
  wallMs: z.number(),
  output: Output,
};
const GateRunShape = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("counted"), ...ran, tests: z.array(TestResult) }),
  z.object({ kind: z.literal("no-report"), ...ran, why: z.string() }),
  z.object({ kind: z.literal("could-not-run"), check: z.string(), why: z.string(), output: Output }),
]);
const Facts = z.object({
  commit: Commit,
  tree: z.string(),
  base: Commit,
  isolation: z.enum(["bubblewrap", "none"]),
  gates: z.array(
    z.object({
      check: Check,
      written: z.string(),
      base: GateRunShape,
      head: GateRunShape,
      control: GateRunShape.optional(),
      controlKind: z.enum(["bodies", "base-only", "none"]),
      witness: GateRunShape.optional(),
      letThrough: z.array(z.string()).max(1_000),
    }),
  ),
  restored: z.array(z.string()),
  touched: z.array(z.string()),
  replaced: z.array(z.string()),
  rewritten: z.array(z.string()),
  mutants: z
    .array(
      z.discriminatedUnion("fate", [
        z.object({ name: z.string().max(300), fate: z.enum(["killed", "survived"]) }),
        z.object({ name: z.string().max(300), fate: z.literal("not-run"), why: z.string().max(300) }),
      ]),
    )
    .max(mutantsMax),
  startedAt: z.number(),
  endedAt: z.number(),
});

/** A question to the process; `cancel` ends the one with the same id. */
export const Request = z.discriminatedUnion("kind", [
  z.object({ id: z.number().int(), kind: z.literal("run"), trial: TrialShape }),
  z.object({
    id: z.number().int(),
    kind: z.literal("prove"),
    trial: TrialShape,
    /** Checks whose runs on head are told as soon as they are there. */
    first: z.array(Check).max(1_000).optional(),
  }),
  z.object({ id: z.number().int(), kind: z.literal("cancel") }),
  /** Where the next question will probably be about: no question itself, so it has no answer. */
  z.object({ id: z.number().int(), kind: z.literal("expect"), gitDir: z.string(), base: Commit }),
]);
export type Request = z.infer<typeof Request>;

/** `why` is one line for people. */
export const Answer = z.discriminatedUnion("kind", [
  z.object({ id: z.number().int(), kind: z.literal("ran"), runs: z.array(GateRunShape) }),
  /** No end of the question: at most once, before it is proved. */
  z.object({ id: z.number().int(), kind: z.literal("seen"), runs: z.array(GateRunShape) }),
  z.object({ id: z.number().int(), kind: z.literal("proved"), facts: Facts }),
  z.object({ id: z.number().int(), kind: z.literal("failed"), why: z.string() }),
]);
export type Answer = z.infer<typeof Answer>;

/** JSON leaves out what is undefined; the domain's types want it named. The shapes were checked above. */
export function trialOf(wire: z.infer<typeof TrialShape>): Trial {
  return wire as unknown as Trial;
}

export function runOf(wire: z.infer<typeof GateRunShape>): GateRun {
  if (wire.kind === "could-not-run") return wire;
  const { exitCode, limit } = wire;
  if (wire.kind === "no-report") return { ...wire, exitCode, limit };
  const tests = wire.tests.map((test) => ({ ...test, file: test.file }));
  return { ...wire, exitCode, limit, tests };
}

export function factsOf(wire: z.infer<typeof Facts>): ProofFacts {
  const gates = wire.gates.map((gate) => ({
    ...gate,
    base: runOf(gate.base),
    head: runOf(gate.head),
    control: gate.control === undefined ? undefined : runOf(gate.control),
    witness: gate.witness === undefined ? undefined : runOf(gate.witness),
  }));
  return { ...wire, gates } as unknown as ProofFacts;
}

/** One run as it was kept, or undefined when it is not whole. */
export function parseRun(text: string): GateRun | undefined {
  try {
    const parsed = GateRunShape.safeParse(JSON.parse(text));
    return parsed.success ? runOf(parsed.data) : undefined;
  } catch {
    return undefined;
  }
}
