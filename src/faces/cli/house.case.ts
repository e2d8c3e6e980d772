/** A house without edges, for the command line's tests: events in memory through the real reducer, a terminal that remembers. */
import { isWish, nothingSpent, rebudgeted } from "../../domain/budget.ts";
import type { Event, Recorded } from "../../domain/event.ts";
import { firstHash } from "../../domain/event.ts";
import type { Check } from "../../domain/gate.ts";
import type { GoalEnd, Order } from "../../domain/goal.ts";
import { beadId, type Commit } from "../../domain/id.ts";
import type { Plan } from "../../domain/plan.ts";
import { orderOf } from "../../domain/sample.case.ts";
import { emptyWorld, fold, type World } from "../../domain/state.ts";
import type { Clock } from "../../kit/clock.ts";
import type { Reader } from "../../ports/store.ts";
import type { Wish } from "../../work/intake.ts";
import { Interrupted } from "../../work/interrupted.ts";
import type { Laying } from "../../work/joining.ts";
import type { Drawn } from "../../work/planning.ts";
import type { Answer } from "../../work/resume.ts";
import type { Tending } from "../../work/tending.ts";
import type { Sight } from "../../work/tools.ts";
import {
  type AtWork,
  type BenchRow,
  type BenchWish,
  type Finding,
  type GatewayWish,
  type Hands,
  type House,
  type KeepWish,
  type PlanOutlook,
  type ProviderLine,
  type ProviderWish,
  type RefreshWish,
  type Rehearsal,
  type RehearsalWish,
  type Side,
  type SimulateWish,
  type TanksSeen,
  type Terminal,
  type TokenLine,
  type TokenWish,
  UsageError,
} from "../house.ts";
import { runProgram } from "./program.ts";
import { theGoal } from "./story.case.ts";

/** What a test decides about the house; everything else is a machine where all is well. */
export interface HouseSetting {
  /** What the store holds; undefined: there is none yet. */
  readonly events?: readonly Event[];
  readonly providers?: readonly ProviderLine[];
  /** Whether there is a configuration; true where nothing is said. */
  readonly isInitialised?: boolean;
  readonly findings?: readonly Finding[];
  readonly rows?: readonly BenchRow[];
  readonly tokens?: readonly TokenLine[];
  readonly standing?: Hands["standing"];
  /** What is known of limits; no provider has any where nothing is said. */
  readonly tanks?: TanksSeen;
  readonly atWork?: AtWork;
  /** The checks of orders that are taken in. */
  readonly checks?: readonly Check[];
  /** What the planner came to. */
  readonly drawn?: Drawn;
  /** What is known of a plan's price and pace beside the drawing model's price. */
  readonly outlook?: Partial<PlanOutlook>;
  /** What every blob holds. */
  readonly blob?: string;
  /** What was played on paper. */
  readonly rehearsal?: Rehearsal;
  /** What resuming has to say. */
  readonly notes?: readonly string[];
  /** How work on a goal goes: what is seen, then the end. `waits`: it lasts until it is interrupted. */
  readonly work?: {
    readonly sights?: readonly Sight[];
    readonly end: GoalEnd | Error | "waits";
  };
}

/** A house, and what it was asked for. */
export interface FakeHouse {
  readonly house: House;
  readonly wishes: (
    | Wish
    | ProviderWish
    | SimulateWish
    | RehearsalWish
    | BenchWish
    | GatewayWish
    | TokenWish
    | { readonly revoke: string }
    | KeepWish
    | RefreshWish
    | Tending
    | Laying
    | { readonly git: boolean }
    | { readonly branch: string; readonly commit: Commit }
  )[];
  /** What the user said to a question. */
  readonly answers: Answer[];
  /** Resolves when somebody works on a goal. */
  readonly working: Promise<void>;
  /** Plans by the file they were written to. */
  readonly written: ReadonlyMap<string, Plan>;
}

function neverRehearsed(wish: RehearsalWish): Rehearsal {
  const none = { median: 0, least: 0, most: 0 };
  return {
    ...{ wish, seeds: [wish.seed], wallMs: none, calls: none, refused: none, usd: none, unpriced: [] },
    ...{ left: 0, leftWhy: "", providers: [], workersShare: 1 },
    raised: { provider: undefined, limit: "workers", from: 2, to: 4, wallMs: 0 },
  };
}

export function openFakeHouse(setting: HouseSetting = {}): FakeHouse {
  const world = emptyWorld();
  const log: Recorded[] = [];
  const wishes: FakeHouse["wishes"] = [];
  const answers: Answer[] = [];
  const written = new Map<string, Plan>();
  const began = Promise.withResolvers<void>();
  const clock = standingClock();
  const append = (event: Event) => {
    fold(world, event);
    const chain = { version: 1, previousHash: firstHash, hash: firstHash };
    log.push({ sequence: log.length + 1, ...chain, event });
  };
  for (const event of setting.events ?? []) append(event);
  const providers = setting.providers ?? [usable];

  const house: House = {
    version: "1.2.3",
    home: "/home/somebody/.rigs",
    folder: "/somewhere/shop",
    clock,
    reader: async () =>
      setting.events === undefined && log.length === 0 ? undefined : readerOf(world, log, setting.blob),
    hands: async () => handsOf(setting, append, began.resolve, { answers, wishes }),
    atWork: async () => setting.atWork ?? { kind: "nobody" },
    cloneOf: async () => "/home/somebody/.rigs/repositories/c.git",
    drawPlan: async () =>
      setting.drawn ?? {
        ...{ kind: "none", why: "nobody was asked", faults: [], spend: nothingSpent },
      },
    outlook: async (_order, drawn) => ({
      ...{ price: drawn?.price, tokensPerSecond: undefined, checkMs: new Map() },
      ...setting.outlook,
    }),
    writePlan: async (path, plan) => void written.set(path, plan),
    canWritePlan: async (path) => {
      if (path === "there.yaml") throw new UsageError(`${path} exists already`);
    },
    readPlan: () => Promise.reject(new Error("no plan is read here")),
    async takeIn(wish) {
      wishes.push(wish);
      if (wish.text.trim() === "") return { kind: "refused", why: "the goal is empty" };
      return {
        kind: "order",
        order: { ...orderFor(wish), checks: setting.checks ?? [] },
        notes: ["one file is not included"],
        course: ["solo: it fits"],
      };
    },
    async chooseProviders(named) {
      const names = named.length > 0 ? named : providers.map(({ name }) => name);
      const stranger = names.find((name) => !providers.some((each) => each.name === name));
      if (stranger !== undefined) return { kind: "none", why: `no provider "${stranger}" is configured` };
      const chosen = providers.filter(({ name }) => names.includes(name));
      const unpriced = chosen.flatMap(({ name, price }) => (price.kind === "unknown" ? [name] : []));
      const listed = chosen.flatMap(({ name, price }) =>
        price.kind === "known" && price.source !== "configuration" ? [`${name} (${price.source})`] : [],
      );
      return { kind: "chosen", strategy: "balanced", names, notes: [], unpriced, listed };
    },
    noJail: async () => undefined,
    providers: async () => providers,
    tanks: async () =>
      setting.tanks ?? { providers: [], savedAt: undefined, note: undefined, strategy: "balanced" },
    async addProvider(name, wish) {
      wishes.push(wish);
      return `added ${name}`;
    },
    removeProvider: async (name) => `removed ${name}`,
    async testProvider(name) {
      const line = providers.find((each) => each.name === name);
      if (line === undefined) throw new UsageError(`no provider "${name}" is configured`);
      return line.state === "usable"
        ? { isGood: true, text: `${name} answered` }
        : { isGood: false, text: `${name} did not answer` };
    },
    isInitialised: async () => setting.isInitialised ?? true,
    async initialise(ask) {
      wishes.push(ask);
      return ["wrote config.toml", "next: rigs doctor"];
    },
    doctor: async () => setting.findings ?? [],
    async simulate(wish, ready) {
      wishes.push(wish);
      ready(["simulated models at http://127.0.0.1:1"]);
    },
    async rehearse(wish) {
      wishes.push(wish);
      return setting.rehearsal ?? neverRehearsed(wish);
    },
    async gateway(wish, say) {
      wishes.push(wish);
      say("the gateway is at http://127.0.0.1:1");
    },
    async createToken(wish) {
      wishes.push(wish);
      return "rigs-once";
    },
    tokens: async () => setting.tokens ?? [],
    async revokeToken(name) {
      wishes.push({ revoke: name });
    },
    async bench(wish, { begun, row }) {
      wishes.push(wish);
      begun("/home/somebody/.rigs/bench/1");
      for (const each of setting.rows ?? []) row(each);
      return setting.rows ?? [];
    },
    diff: async (_order, { from, to }) =>
      `from ${from.slice(-4)} to ${to.slice(-4)}\n+added\u001b[31m\n-gone`,
    async branch(_order, commit, name) {
      wishes.push({ branch: name, commit });
    },
    async keep(wish, say, signal) {
      wishes.push(wish);
      say("the foreman is here: process 42");
      await untilInterrupted(signal).catch(() => undefined);
    },
    async startForeman() {
      if (setting.atWork?.kind === "process") throw new UsageError("the foreman runs already: process 42");
      return { kind: "process", process: 42, role: "foreman", since: 1_000_000, goals: [], queued: [] };
    },
    stopForeman: async () => {},
    foremanLog: "/home/somebody/.rigs/foreman.log",
    evidenceFolder: (goal) => `/home/somebody/.rigs/evidence/${goal}`,
  };
  return { house, wishes, answers, working: began.promise, written };
}

export const usable: ProviderLine = {
  name: "work",
  kind: "openai",
  model: "some-model",
  tier: "standard",
  state: "usable",
  why: "",
  price: {
    ...{ kind: "known", source: "configuration" },
    price: { inputUsd: 3, cachedInputUsd: 0.3, outputUsd: 15 },
  },
};

function orderFor(wish: Wish): Order {
  const { text, protect, providers, budget, strategy, unsafeNoSandbox, keepRevisions, plan } = wish;
  return {
    ...{ ...orderOf(text), protect, providers, budget, strategy, unsafeNoSandbox, acceptance: "user" },
    ...{
      keepRevisions,
      mode:
        plan === undefined
          ? orderOf(text).mode
          : { kind: "fleet", why: plan.why, plan: plan.plan, lines: undefined },
    },
  };
}

/** Time that stands still; whoever sleeps is woken by the signal only. */
function standingClock(): Clock {
  return {
    now: () => 1_000_000,
    sleep: (_ms, signal) =>
      new Promise((_resolve, reject) => {
        const stop = () => reject(signal.reason);
        if (signal.aborted) stop();
        else signal.addEventListener("abort", stop, { once: true });
      }),
  };
}

function handsOf(
  setting: HouseSetting,
  append: (event: Event) => void,
  began: () => void,
  { answers, wishes }: Pick<FakeHouse, "answers" | "wishes">,
): Hands {
  return {
    standing: setting.standing ?? "owner",
    async create(order) {
      append({ type: "goal-created", at: 1, goal: theGoal, order });
      return theGoal;
    },
    async lay(order, laying) {
      wishes.push(laying);
      append({ type: "goal-created", at: 1, goal: laidGoal, order });
      return laidGoal;
    },
    async resume({ id, order }, wish) {
      append({ type: "goal-resumed", at: 2, goal: id });
      const budget = rebudgeted(order.budget, wish, 2);
      const { workersMax } = wish;
      if (isWish(wish) || workersMax !== undefined)
        append({ type: "budget-changed", at: 2, goal: id, budget, workersMax });
      return setting.notes ?? [];
    },
    async answer(goal, answer) {
      answers.push(answer);
      append({ type: "goal-resumed", at: 2, goal });
    },
    cancel: async (goal) => append({ type: "goal-cancel-asked", at: 2, goal }),
    async tend(tending) {
      wishes.push(tending);
      return tending.kind === "create" ? beadId(beadId(tending.goal, 1), 4) : tending.bead;
    },
    async refresh(wish) {
      wishes.push(wish);
      return wish.names.map((name) => ({ name, kind: "silent", text: "it tells nothing" }) as const);
    },
    async finish(goal, watch, signal) {
      const { sights = [], end = "waits" } = setting.work ?? {};
      for (const sight of sights) {
        if (sight.kind === "recorded") append(sight.recorded.event);
        watch(sight);
      }
      began();
      if (end instanceof Error) throw end;
      if (end === "waits") return untilInterrupted(signal);
      append({ type: "goal-ended", at: 9, goal, end });
      return end;
    },
    close: async () => {},
  };
}

/** The goal that a fake house's hands lay. */
export const laidGoal = "abcdefgh" as typeof theGoal;

function untilInterrupted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const stop = () => reject(new Interrupted());
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}

function readerOf(
  { goals, beads, attempts }: World,
  log: readonly Recorded[],
  blob = "an answer\u001b[31m with a control character",
): Reader {
  const all = [...goals.values()].reverse();
  return {
    log: {
      read: async (from, countMax, goal) =>
        log
          .filter(({ sequence, event }) => sequence >= from && (goal === undefined || event.goal === goal))
          .slice(0, countMax),
    },
    view: {
      goal: async (id) => goals.get(id),
      goals: async ({ open, countMax }) =>
        all.filter((goal) => open === undefined || open === (goal.end === undefined)).slice(0, countMax),
      bead: async (id) => beads.get(id),
      beads: async ({ goal, state, countMax }) =>
        [...beads.values()]
          .filter((bead) => goal === undefined || bead.goal === goal)
          .filter((bead) => state === undefined || bead.state.kind === state)
          .slice(0, countMax),
      attempts: async (bead) => [...attempts.values()].filter((attempt) => attempt.bead === bead),
      attempt: async (id) => attempts.get(id),
      async totals() {
        const counts: Record<string, number> = {};
        for (const { state } of beads.values()) counts[state.kind] = (counts[state.kind] ?? 0) + 1;
        const ended = all.filter((goal) => goal.end !== undefined).length;
        return { goals: { open: all.length - ended, ended }, beads: counts, sequence: log.length };
      },
    },
    blobs: { get: async () => new TextEncoder().encode(blob) },
    audit: async () => [],
    close: async () => {},
  };
}

/** A terminal that remembers; `frames` are the status lines in order. */
export interface FakeTerminal extends Terminal {
  readonly said: Readonly<Record<Side, string[]>>;
  readonly frames: string[];
  /** What the first Ctrl-C is answered with; undefined: the usual. */
  stopWords(): string | undefined;
}

export function openFakeTerminal(
  setting: {
    readonly columns?: number;
    readonly rows?: number;
    readonly isLive?: boolean;
    readonly hasColor?: boolean;
  } = {},
): FakeTerminal {
  const said = { out: [] as string[], err: [] as string[] };
  const frames: string[] = [];
  const stops: (() => string | undefined)[] = [];
  return {
    stopWords: () => stops.at(-1)?.(),
    said,
    frames,
    isLive: setting.isLive ?? false,
    hasColor: () => setting.hasColor ?? false,
    columns: () => setting.columns ?? Number.POSITIVE_INFINITY,
    rows: () => setting.rows ?? Number.POSITIVE_INFINITY,
    out: (line) => void said.out.push(line),
    err: (line) => void said.err.push(line),
    onStop: (words) => void stops.push(words),
    status: (line) => void (frames.at(-1) !== line && frames.push(line)),
  };
}

/** What a command printed and how it ended; a UsageError is `refused`, as main would print it. */
export interface Run {
  readonly code: number;
  readonly out: readonly string[];
  readonly err: readonly string[];
  readonly refused: string | undefined;
}

/** Runs the command line over a house. `stop`: aborted when somebody presses Ctrl-C. */
export async function runOver(
  { house }: FakeHouse,
  words: readonly string[],
  options: { readonly terminal?: FakeTerminal; readonly stop?: AbortController } = {},
): Promise<Run> {
  const terminal = options.terminal ?? openFakeTerminal();
  const { said } = terminal;
  const signal = (options.stop ?? new AbortController()).signal;
  try {
    const entrance = { version: house.version, terminal, signal, house: async () => house };
    return { code: await runProgram(words, entrance), ...said, refused: undefined };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return { code: 2, ...said, refused: error.message };
  }
}
