import type { Goal, GoalEnd, Order } from "../domain/goal.ts";
import type { BeadId, Commit, GoalId } from "../domain/id.ts";
import type { Plan } from "../domain/plan.ts";
import type { GivenPlan } from "../domain/planning.ts";
import type { Clock } from "../kit/clock.ts";
import type { Model, Price } from "../ports/model.ts";
import type { Reader } from "../ports/store.ts";
import type { Intake, Wish } from "../work/intake.ts";
import type { Laying } from "../work/joining.ts";
import type { Drawn } from "../work/planning.ts";
import type { Answer, Bounds } from "../work/resume.ts";
import type { Tending } from "../work/tending.ts";
import type { Sight } from "../work/tools.ts";

/** One provider as people see it; never a key. */
export interface ProviderLine {
  readonly name: string;
  readonly kind: string;
  readonly model: string;
  readonly tier: string;
  readonly state: "usable" | "disabled" | "unusable";
  /** Why it is unusable and what to do; empty when usable. */
  readonly why: string;
  /** unknown: a budget in USD cannot count it. nothing: it costs nothing. */
  readonly price: "known" | "unknown" | "nothing";
}

/** Tasks that one process works on at a time at most, over all goals: they mostly wait for models, and what they run waits for a core. */
export const workersMost = 32;

/** How a provider is added, for whoever has none. */
export const addAdvice = "rigs provider add NAME --kind openai --model MODEL --api-key-env VARIABLE";

/** What `provider add` was given, as typed. */
export interface ProviderWish {
  readonly kind?: string;
  readonly model?: string;
  readonly baseUrl?: string;
  readonly apiKeyEnv?: string;
  readonly tier?: string;
  readonly script?: string;
}

/**
 * One thing `doctor` looked at. missing: no goal can be worked on without it, and it is not there yet. note: worth knowing,
 * stands in nobody's way.
 */
export interface Finding {
  readonly name: string;
  readonly state: "good" | "note" | "missing" | "bad";
  readonly text: string;
  /** The exact command or edit that mends it; empty when nothing is to be done. */
  readonly remedy: string;
}

/** Writing to the store from this process: as its owner, or through the owner's socket. */
export interface Hands {
  /** How many goals and what this process may do: "owner" works itself, "guest" asks the owner. */
  readonly standing: "owner" | "guest";
  /** Durable when it resolves. */
  create(order: Order): Promise<GoalId>;
  /** Records a task or a convoy that begins when it is run; nothing is worked on. Durable when it resolves. UsageError for what cannot be. */
  lay(order: Order, laying: Laying): Promise<GoalId>;
  /** Durable when it resolves, with what people should know of it, a line each. `bounds`: new ones, where given. */
  resume(goal: Goal, bounds: Bounds): Promise<readonly string[]>;
  /** Durable when it resolves. UsageError: the goal does not ask this now. */
  answer(goal: GoalId, answer: Answer): Promise<void>;
  cancel(goal: GoalId): Promise<void>;
  /** Tries a bead of this order's goal again, takes it off, or adds one. Durable when it resolves, with the bead's id. UsageError for what cannot be done. */
  tend(tending: Tending, order: Order): Promise<BeadId>;
  /** Works on the goal, or follows the owner's work; takes over when the owner is gone. Rejects with `signal.reason` when aborted, everything given back. */
  finish(goal: GoalId, watch: (sight: Sight) => void, signal: AbortSignal): Promise<GoalEnd>;
  close(): Promise<void>;
}

export interface SimulateWish {
  readonly port: number;
  readonly tasks: string | undefined;
  readonly scenario: string | undefined;
  readonly seed: number;
  readonly firstTokenMs: number;
  readonly tokensPerSecond: number;
}

export interface BenchWish {
  readonly file: string;
  readonly provider: string | undefined;
  readonly countMax: number | undefined;
  readonly workers: number;
  readonly resume: string | undefined;
  readonly keep: boolean;
}

/** One task of a bench as it ended. */
export interface BenchRow {
  readonly task: string;
  readonly goal: GoalId;
  readonly outcome: string;
  readonly verdict: string;
  readonly isSolved: boolean;
  readonly isFalseProof: boolean;
  readonly requests: number;
  readonly tokens: number;
  readonly usd: number;
  readonly wallMs: number;
  /** What the independent judge objects to, or why nothing was delivered; empty for a solved task. */
  readonly why: string;
  readonly revisions: number;
  /** The step whose answer was the last to be run. */
  readonly stage: string;
}

/** Who works on the goals of this home at this moment. `silent`: a process does that does not say on which. */
export type AtWork =
  | { readonly kind: "nobody" }
  | {
      readonly kind: "process";
      readonly process: number;
      /** A foreman of its own, or a command that works on its goal. */
      readonly role: "foreman" | "command";
      /** When it took the home over, ms. */
      readonly since: number;
      readonly goals: readonly GoalId[];
    }
  | { readonly kind: "silent" };

export interface KeepWish {
  readonly workersMax: number | undefined;
  /** A file for its lines, bounded; undefined: they are only said. */
  readonly log: string | undefined;
}

/** What earlier goals of this home and its configuration say about work that has not begun. */
export interface PlanOutlook {
  /** Undefined where nobody knows. */
  readonly price: Price | undefined;
  /** Tokens, read and written, that the model took a second; undefined where no call of it was answered here. */
  readonly tokensPerSecond: number | undefined;
  /** What commands took on a base of this repository, ms, by command. */
  readonly checkMs: ReadonlyMap<string, number>;
}

/** Everything the command line can reach. Wired by main; opened only when a command needs it. */
export interface House {
  readonly version: string;
  readonly home: string;
  readonly clock: Clock;
  readonly folder: string;
  /** Undefined when there is no store yet. */
  reader(): Promise<Reader | undefined>;
  hands(): Promise<Hands>;
  /**
   * Keeps the home as its foreman: goes on with open goals and works on what other commands bring, until aborted or
   * asked to stop; then gives everything back. `say` hears a line for people. UsageError when the home is owned.
   */
  keep(wish: KeepWish, say: (line: string) => void, signal: AbortSignal): Promise<void>;
  /** Starts such a foreman as a process of its own; resolves when it answers. UsageError when it does not. */
  startForeman(signal: AbortSignal): Promise<Extract<AtWork, { readonly kind: "process" }>>;
  /** Asks it to stop and waits until it has. UsageError when it works for a command, or does not end in time. */
  stopForeman(signal: AbortSignal): Promise<void>;
  /** Where a started foreman writes what it says, absolute. */
  readonly foremanLog: string;
  /** Asks the owner of the store, if there is one; answers within a second. */
  atWork(): Promise<AtWork>;
  /** The plan in a file, or UsageError with every fault of its text. */
  readPlan(path: string): Promise<GivenPlan>;
  takeIn(wish: Wish): Promise<Intake>;
  /** Asks the order's planner and keeps nothing. Rejects with `signal.reason`. */
  drawPlan(order: Order, signal: AbortSignal): Promise<Drawn>;
  /** What is known of how a plan would be worked on; `drawn` drew it, else the first provider that can be used counts. */
  outlook(order: Order, drawn: Model | undefined): Promise<PlanOutlook>;
  /** Writes a plan to a new file. UsageError where one is there already, or none can be written. */
  writePlan(path: string, plan: Plan, goal: string): Promise<void>;
  /** UsageError where a file is there already. */
  canWritePlan(path: string): Promise<void>;
  /** Provider names to try, in order, when the user named none; or the one line that says what to do. */
  chooseProviders(named: readonly string[]): Promise<
    | {
        readonly kind: "chosen";
        readonly names: readonly string[];
        readonly notes: readonly string[];
        /** Those of them whose cost nobody can count. */
        readonly unpriced: readonly string[];
      }
    | { readonly kind: "none"; readonly why: string }
  >;
  /** Why nothing a model writes can be run here, with the remedy; undefined when a jail is ready. */
  noJail(): Promise<string | undefined>;
  providers(): Promise<readonly ProviderLine[]>;
  /** Both resolve with the sentence for people; UsageError changes nothing. */
  addProvider(name: string, settings: ProviderWish): Promise<string>;
  removeProvider(name: string): Promise<string>;
  /** One tiny real question to the provider. Rejects with UsageError for one that is not there or cannot be asked, and with `signal.reason`. */
  testProvider(
    name: string,
    signal: AbortSignal,
  ): Promise<{ readonly isGood: boolean; readonly text: string }>;
  /** Tells whether there is a configuration to add to. */
  isInitialised(): Promise<boolean>;
  initialise(ask: { readonly git: boolean }): Promise<readonly string[]>;
  doctor(ask: { readonly deep: boolean }): Promise<readonly Finding[]>;
  /** Serves until aborted; `ready` gets the base URL. */
  simulate(wish: SimulateWish, ready: (lines: readonly string[]) => void, signal: AbortSignal): Promise<void>;
  /** `begun` hears where rows are kept, for `--resume`, before the first one comes. */
  bench(
    wish: BenchWish,
    hear: { begun(folder: string): void; row(row: BenchRow): void },
    signal: AbortSignal,
  ): Promise<readonly BenchRow[]>;
  /** The bare repository that holds the revisions of goals on this order's repository, absolute. */
  cloneOf(order: Order): Promise<string>;
  /** A unified diff of two commits of these, at most 1 MiB. Rejects with RepositoryError where they are gone. */
  diff(order: Order, between: { readonly from: Commit; readonly to: Commit }): Promise<string>;
  /** Points a branch of the user's repository at a commit of the clone; what is checked out stays. Rejects with RepositoryError. */
  branch(order: Order, commit: Commit, name: string): Promise<void>;
  /** Where a goal's evidence lies, absolute. */
  evidenceFolder(goal: GoalId): string;
}

/** Standard output carries results, standard error everything else. */
export type Side = "out" | "err";

/** Output as a command sees it. */
export interface Terminal {
  out(line: string): void;
  err(line: string): void;
  /** Tells whether stderr is a terminal that can be redrawn. */
  readonly isLive: boolean;
  hasColor(side: Side): boolean;
  /** Columns of the terminal on that side; Infinity where there is none (a pipe, a file). */
  columns(side: Side): number;
  /** Lines of the terminal on stderr; Infinity where there is none. */
  rows(): number;
  /** Draws over the status at the foot, lines that fit, parted by "\n"; "" removes it. Does nothing where `isLive` is false. */
  status(text: string): void;
  /** Words for the first Ctrl-C from now on, which say what it stops; before, all is stopped cleanly. Undefined: as before. */
  onStop(words: () => string | undefined): void;
}

/** Something the person has to change; exit code 2. The message is one line and says what to do. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
