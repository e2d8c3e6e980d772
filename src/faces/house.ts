import type { Drift } from "../domain/drift.ts";
import type { Goal, GoalEnd, Order, Strategy } from "../domain/goal.ts";
import type { BeadId, Commit, GoalId } from "../domain/id.ts";
import type { Plan } from "../domain/plan.ts";
import type { GivenPlan } from "../domain/planning.ts";
import type { Tank } from "../domain/tank.ts";
import type { Clock } from "../kit/clock.ts";
import type { Model, Price, Pricing } from "../ports/model.ts";
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
  readonly price: Pricing;
}

/** One tank that a provider's calls draw from. */
export interface TankSeen {
  /** As it was when somebody looked last, rolled forward to now; as the configuration alone has it where nobody has. */
  readonly tank: Tank;
  /** As the configuration alone has it. */
  readonly configured: Tank;
  /** Whether anything of it was kept, and not only configured. */
  readonly isKept: boolean;
  /** The newest sign that more of it is gone than calls from here took. */
  readonly drift: Drift | undefined;
  /** What its provider told of limits within the last hour that is not believed. */
  readonly doubt: Doubt | undefined;
}

/** "a limit of 0.5 requests a minute", told at that moment, ms. */
export interface Doubt {
  readonly at: number;
  readonly what: string;
}

/** What is known of a configured provider's limits; never a key. */
export interface ProviderTanks {
  readonly name: string;
  readonly kind: string;
  readonly model: string;
  readonly tier: string;
  readonly isEnabled: boolean;
  /** It is a script: nothing of it is ever limited. */
  readonly isBoundless: boolean;
  /** The variable that holds its key; undefined: none is sent. */
  readonly keyName: string | undefined;
  /** The account's, then the model's. */
  readonly tanks: readonly TankSeen[];
  /** Shares that remain, below which only beads of high priority, and only urgent ones, draw. */
  readonly thresholds: { readonly yellow: number; readonly red: number };
  readonly outputTokensMax: number;
}

/** All tanks of a home. */
export interface TanksSeen {
  readonly providers: readonly ProviderTanks[];
  /** When a process that asks models wrote them last, ms; undefined: none has yet. */
  readonly savedAt: number | undefined;
  /** Why what was kept is not believed; one line. */
  readonly note: string | undefined;
  readonly strategy: Strategy;
}

/**
 * Providers to ask how they stand. `look`: without a call; `ask`: with one smallest call, where nothing else tells;
 * `try`: with a short question, to see whether they answer.
 */
export interface RefreshWish {
  readonly names: readonly string[];
  readonly effort: "look" | "ask" | "try";
}

/** What came of asking for a provider's limits. */
export interface Refreshed {
  readonly name: string;
  /** told: it said how it stands. silent: it tells nothing, or not without a call. later: it may not be asked yet. failed: it could not be asked, or refused. */
  readonly kind: "told" | "silent" | "later" | "failed";
  /** One line: what it told, or why it did not and what to do. */
  readonly text: string;
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
  /** Asks these providers how they stand: what is closed until a person has done something is tried again. */
  refresh(wish: RefreshWish, signal: AbortSignal): Promise<readonly Refreshed[]>;
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

/** How the gateway is served. `host` undefined: loopback, which nobody else reaches. */
export interface GatewayWish {
  readonly host: string | undefined;
  readonly port: number;
  /** How long a call waits for a place at most, ms. */
  readonly patienceMs: number;
}

/** What a new token may do; undefined: no bound. */
export interface TokenWish {
  readonly name: string;
  readonly usdMax: number | undefined;
  readonly tokensMax: number | undefined;
  readonly rpm: number | undefined;
}

/** A caller of the gateway as people see it; never the token. */
export interface TokenLine extends TokenWish {
  readonly isRevoked: boolean;
  /** What it spent cannot be read any more: budgets count as used up. */
  readonly isUnknown: boolean;
  readonly createdAt: number;
  readonly calls: number;
  readonly usd: number;
  readonly tokens: number;
}

/** Work to be played through on paper. */
export interface RehearsalWish {
  readonly beads: number;
  /** Calls a bead, in the mean; 1 or more. */
  readonly calls: number;
  /** Tokens of a prompt and of an answer; half of all are smaller. */
  readonly input: number;
  readonly output: number;
  readonly workers: number;
  /** Names; empty: all enabled ones of the first's tier. */
  readonly providers: readonly string[];
  readonly firstTokenMs: number;
  /** Above 0. */
  readonly tokensPerSecond: number;
  /** Between two calls of a bead. */
  readonly checkMs: number;
  readonly seed: number;
}

/** Over all seeds. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** What was seen when work was played through on paper. */
export interface Rehearsal {
  readonly wish: RehearsalWish;
  readonly seeds: readonly number[];
  readonly wallMs: Spread;
  readonly calls: Spread;
  /** Calls that a provider refused. */
  readonly refused: Spread;
  /** Of those whose price is known. */
  readonly usd: Spread;
  readonly unpriced: readonly string[];
  /** Beads that were not done, at most; and why. */
  readonly left: number;
  readonly leftWhy: string;
  readonly providers: readonly {
    readonly name: string;
    readonly callsShare: number;
    /** `share`: of what the limit could have given, 0 to 1. */
    readonly limits: readonly { readonly name: string; readonly value: number; readonly share: number }[];
    /** Whether the configuration names any limit of it. */
    readonly isLimited: boolean;
    /** Seconds' worth that came at once, as configured; undefined: nothing is. */
    readonly burstSeconds: number | undefined;
  }[];
  /** Of the time in which workers did not wait for a limit. */
  readonly workersShare: number;
  /** The same with twice of what then helps most. `provider` undefined: the workers. Undefined: nothing helps alone. */
  readonly raised:
    | {
        readonly provider: string | undefined;
        readonly limit: string;
        readonly from: number;
        readonly to: number;
        readonly wallMs: number;
      }
    | undefined;
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

/** A bead whose call stands in line for a place with a provider. */
export interface InLine {
  readonly bead: BeadId;
  /** ms since the epoch. */
  readonly since: number;
  /** "claude: input tokens": whose place it waits for, and what for there. */
  readonly why: string;
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
      readonly queued: readonly InLine[];
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
        /** How accounts are drawn from where nobody says otherwise. */
        readonly strategy: Strategy;
        /** Those of them whose cost nobody can count. */
        readonly unpriced: readonly string[];
        /** Those whose cost is counted at a list, with the list: "openai (list of 2026-09-23)". */
        readonly listed: readonly string[];
      }
    | { readonly kind: "none"; readonly why: string }
  >;
  /** Why nothing a model writes can be run here, with the remedy; undefined when a jail is ready. */
  noJail(): Promise<string | undefined>;
  providers(): Promise<readonly ProviderLine[]>;
  /** What is known of every configured provider's limits; asks nobody. */
  tanks(): Promise<TanksSeen>;
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
  /** Owns the home and serves models to other programs until aborted. UsageError when the home is owned, or the port taken. */
  gateway(wish: GatewayWish, say: (line: string) => void, signal: AbortSignal): Promise<void>;
  /** Resolves with the token, which is kept nowhere. UsageError for a name that is taken. */
  createToken(wish: TokenWish): Promise<string>;
  tokens(): Promise<readonly TokenLine[]>;
  /** UsageError where there is none of that name. */
  revokeToken(name: string): Promise<void>;
  /** Serves until aborted; `ready` gets the base URL. */
  /** Plays work through on the configured accounts, on paper: nobody is asked. UsageError: no such provider, or none. */
  rehearse(wish: RehearsalWish): Promise<Rehearsal>;
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
