/**
 * The same over real HTTP and in real time, small: the four providers as the simulator's server counts them, on 127.0.0.1, with
 * limits and tokens such that some hundred calls take about half a minute. Everybody gets the same calls and a server of its own,
 * all at the same time, so that what else the machine does falls on all; how busy this process was meanwhile is printed.
 */
import { readScenario } from "../../src/edges/simulator/scenario.ts";
import { type Simulator, startSimulator } from "../../src/edges/simulator/server.ts";
import { seeded } from "../../src/kit/random.ts";
import { type Figure, print } from "../figure.ts";
import { startPortkey } from "../portkey.ts";
import {
  aiSdkOverHttp,
  bottleneckOverHttp,
  type Caller,
  markOf,
  ours,
  portkeyOverHttp,
  type Rival,
  realClock,
} from "./callers.ts";
import { boundOf } from "./house.ts";
import { type Call, callsOf, referenceCalls } from "./jobs.ts";
import type { Provider } from "./provider.ts";
import { chosen } from "./rivals.ts";

const answers = { perMs: 0.06, firstMs: 200 };

/**
 * The four of the virtual clock with a tenth of the tokens, twice the calls, quick answers and one slot. G is asked on OpenAI's
 * wire, as Gemini can be: the AI SDK's package for Gemini's own is no dependency of ours.
 */
const providers: readonly Provider[] = [
  { name: "A", settings: { counting: "anthropic", rpm: 2_000, itpm: 90_000, otpm: 18_000 }, ...answers },
  { name: "O", settings: { counting: "openai", rpm: 1_000, tpm: 100_000 }, ...answers },
  { name: "G", settings: { counting: "gemini", rpm: 300, itpm: 200_000 }, ...answers },
  { name: "L", settings: { counting: "concurrency", concurrency: 1 }, ...answers },
];
const count = 200;
const tenth = (tokens: number) => Math.ceil(tokens / 10);
/** What is not answered after this is lost. */
const wallMsMax = 60_000;
/** What a package gave up a careful caller asks again, and not at once. */
const againMs = 2_000;

interface Raced {
  readonly wallMs: number;
  /** Requests that came to the server, and those it refused: counted there, the same way for all. */
  readonly made: number;
  readonly refused: number;
  /** Calls that came back with an error after the package's own retries. */
  readonly givenUp: number;
  readonly lost: number;
}

const small = (calls: readonly Call[]): readonly Call[] =>
  calls.map((call) => ({
    ...call,
    ...{ input: tenth(call.input), output: tenth(call.output), outputMax: tenth(call.outputMax) },
  }));

const atOnceCalls = (seed: number) => small(referenceCalls(seed, count));

function poissonCalls(seed: number, load: number): readonly Call[] {
  const batch = small(callsOf(seed, count, undefined));
  return small(callsOf(seed, count, (load * count) / boundOf(batch, providers)));
}

async function opened(calls: readonly Call[]): Promise<Simulator> {
  const read = readScenario(
    JSON.stringify({
      models: Object.fromEntries(providers.map(({ name }) => [name, "perfect"])),
      accounts: providers.map(({ name, settings }) => ({ models: [name], limits: settings })),
      rules: calls.map((call) => ({
        when: { contains: markOf(call) },
        times: "always",
        do: { kind: "say", text: "hello ".repeat(call.output - 1) },
      })),
    }),
  );
  if (read.kind === "refused") throw new Error(read.why);
  return startSimulator({
    ...{ clock: realClock, scenario: read.scenario },
    ...{ firstTokenMs: answers.firstMs, tokensPerSecond: answers.perMs * 1_000 },
  });
}

async function raced(rival: Rival, seed: number, calls: readonly Call[]): Promise<Raced> {
  const simulator = await opened(calls);
  const wall = new AbortController();
  const timer = setTimeout(() => wall.abort(new Error("too late")), wallMsMax);
  try {
    const { signal } = wall;
    const before = small(callsOf(1_000 + seed, count, undefined));
    const caller = await rival.open({ ...{ url: simulator.url, seed, providers, before }, signal });
    const startedAt = realClock.now();
    const counts = { answered: 0, givenUp: 0, endsAt: startedAt };
    const random = seeded(seed + 7);
    const seats = new Seats(caller.atOnce);
    const live = async (call: Call): Promise<void> => {
      await realClock.sleep(call.comesAt, signal);
      await seats.taken();
      try {
        while (!(await isAnswered(caller, call, chosen(providers, random)))) {
          signal.throwIfAborted();
          counts.givenUp += 1;
          await realClock.sleep(againMs, signal);
        }
        counts.answered += 1;
        counts.endsAt = realClock.now();
      } finally {
        seats.free();
      }
    };
    await Promise.allSettled(calls.map(live));
    const { total, byStatus } = simulator.requests();
    const strange = Object.keys(byStatus).filter((status) => status !== "200" && status !== "429");
    for (const wrong of [...caller.wrong(), ...strange.map((status) => `answered with ${status}`)])
      process.stdout.write(`over HTTP, ${rival.name}: ${wrong}\n`);
    return {
      ...{ wallMs: counts.endsAt - startedAt, made: total, refused: byStatus["429"] ?? 0 },
      ...{ givenUp: counts.givenUp, lost: calls.length - counts.answered },
    };
  } finally {
    clearTimeout(timer);
    wall.abort(new Error("the race is over"));
    await simulator.close();
  }
}

function isAnswered(caller: Caller, call: Call, drawn: Provider): Promise<boolean> {
  return caller.ask(call, drawn).then(
    () => true,
    () => false,
  );
}

/** So many at once; the others wait in the order they came. */
class Seats {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(free: number) {
    this.#free = free;
  }

  async taken(): Promise<void> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  free(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}

/** For each seed about a minute and a half at most, most of it waiting. */
export async function overHttp(seeds: readonly number[]): Promise<void> {
  await using portkey = await startPortkey();
  const all = [
    ours,
    aiSdkOverHttp,
    bottleneckOverHttp,
    portkeyOverHttp(portkey.url, false),
    portkeyOverHttp(portkey.url, true),
  ];
  await compared(`${count} at once`, all, seeds, atOnceCalls);
  await compared("Poisson at 95 %", [ours, bottleneckOverHttp], seeds, (seed) => poissonCalls(seed, 0.95));
}

type Workload = (seed: number) => readonly Call[];

async function compared(
  load: string,
  rivals: readonly Rival[],
  seeds: readonly number[],
  workload: Workload,
) {
  const found: Raced[][] = rivals.map(() => []);
  const from = performance.eventLoopUtilization();
  let boundMs = 0;
  for (const seed of seeds) {
    const calls = workload(seed);
    boundMs += boundOf(calls, providers);
    const runs = await Promise.all(rivals.map((rival) => raced(rival, seed, calls)));
    for (const [at, run] of runs.entries()) found[at]?.push(run);
  }
  const { utilization } = performance.eventLoopUtilization(from);
  process.stdout.write(`# over HTTP, ${load}: this process was busy ${Math.round(utilization * 100)} %\n`);
  for (const [at, rival] of rivals.entries())
    printed(`over HTTP, ${load}, ${rival.name}`, rival === ours, found[at] ?? [], boundMs / seeds.length);
}

function printed(name: string, isOurs: boolean, runs: readonly Raced[], boundMs: number): void {
  const sum = (value: (run: Raced) => number) => runs.reduce((total, run) => total + value(run), 0);
  const atMost = (max: number): Figure["goal"] => (isOurs ? { kind: "at-most", max } : { kind: "none" });
  const lost = sum((run) => run.lost);
  const beside = { baseline: undefined, goal: atMost(0), unit: "calls" } as const;
  print({ ...beside, name: `${name}: refused`, ours: sum((run) => run.refused) });
  print({
    ...{ name: `${name}: calls for a job`, ours: sum((run) => run.made) / (count * runs.length - lost) },
    ...{ unit: "a job", baseline: undefined, goal: atMost(1.01) },
  });
  print({ ...beside, name: `${name}: given up, and asked again later`, ours: sum((run) => run.givenUp) });
  print({ ...beside, name: `${name}: lost, unanswered after ${wallMsMax / 1_000} s`, ours: lost });
  print({
    ...{ name: `${name}: until the last answer`, ours: sum((run) => run.wallMs) / runs.length / 1_000 },
    ...{ unit: "s", baseline: { name: "lower bound", value: boundMs / 1_000 }, goal: { kind: "none" } },
  });
}
