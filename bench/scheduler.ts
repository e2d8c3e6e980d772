/**
 * The scheduler (tanks, refinery, dispatch) against providers that count as real ones do, beside what people use instead:
 * on a virtual clock, then over real HTTP. `node bench/scheduler.ts [seeds] [clock|http]`
 */
import { annealing } from "../src/domain/annealing.ts";
import { seeded } from "../src/kit/random.ts";
import { type Figure, print, printMachine } from "./figure.ts";
import { decisions } from "./scheduler/decision.ts";
import { type Shared, shared } from "./scheduler/fairness.ts";
import { boundOf, type Plan, played, type Run } from "./scheduler/house.ts";
import { overHttp } from "./scheduler/http.ts";
import { type Call, callsOf, referenceCalls } from "./scheduler/jobs.ts";
import { type Faults, four, noFaults, type Provider } from "./scheduler/provider.ts";
import { aiSdk, bottleneck, type RivalRun } from "./scheduler/rivals.ts";

const seeds = Array.from({ length: Number(process.argv[2] ?? 5) }, (_, at) => at + 1);
const part = process.argv[3];
const count = 2_000;

const mean = (values: readonly number[]) => values.reduce((sum, each) => sum + each, 0) / values.length;
const sumOf = (values: readonly number[]) => values.reduce((sum, each) => sum + each, 0);
const share = ({ boundMs, makespanMs }: Pick<Run, "boundMs" | "makespanMs">) => boundMs / makespanMs;
const atPart = (values: readonly number[], of: number) =>
  [...values].sort((left, right) => left - right)[Math.floor(values.length * of)] ?? 0;

type Setting = Omit<Plan, "seed" | "calls">;
const plain: Setting = { providers: four, faults: {}, burstSeconds: undefined, floor: 0 };
/** As the reference has it: how much these four let in at once is known. */
const told: Setting = { ...plain, burstSeconds: 10 };

const changed = (names: string, settings: Partial<Provider["settings"]>): readonly Provider[] =>
  four.map((each) =>
    names.includes(each.name) ? { ...each, settings: { ...each.settings, ...settings } } : each,
  );
const [anthropic] = four as readonly [Provider];
const faulty = (faults: Partial<Faults>): Plan["faults"] => ({ A: { ...noFaults, ...faults } });
const halved = { ...anthropic.settings, rpm: 500, itpm: 225_000, otpm: 45_000 };

const one = (settings: Partial<Provider["settings"]>): Setting => ({
  ...plain,
  providers: [{ ...anthropic, settings: { counting: "anthropic", burstPart: 1 / 6, ...settings } }],
});

type Workload = (seed: number) => readonly Call[];
/** Three kinds of calls, whose usual length is known beforehand. */
const ofKinds = once((seed) => callsOf(seed, count, undefined));
const reference = once((seed) => referenceCalls(seed, count));

function once(workload: Workload): Workload {
  const made = new Map<number, readonly Call[]>();
  return (seed) => {
    const calls = made.get(seed) ?? workload(seed);
    made.set(seed, calls);
    return calls;
  };
}

/** What the bound comes to for whoever knows how long answers usually are, and not how long each will be. */
function unforeseen(workload: Workload): number {
  return mean(
    seeds.map((seed) => {
      const calls = workload(seed);
      const output = mean(calls.map((call) => call.output));
      return (
        boundOf(calls, four) /
        boundOf(
          calls.map((call) => ({ ...call, output })),
          four,
        )
      );
    }),
  );
}

async function runs(
  name: string,
  setting: Setting,
  load?: number,
  workload: Workload = reference,
): Promise<readonly Run[]> {
  const found: Run[] = [];
  for (const seed of seeds) {
    const batch = load === undefined ? workload(seed) : ofKinds(seed);
    const perMs = load === undefined ? undefined : (load * count) / boundOf(batch, setting.providers);
    const calls = perMs === undefined ? batch : callsOf(seed, count, perMs);
    found.push(await played({ ...setting, seed, calls }));
  }
  const lost = sumOf(found.map((run) => run.lost + run.leaked));
  if (lost > 0) process.stdout.write(`${name}: ${lost} jobs lost or reservations never given back\n`);
  return found;
}

const figure = (
  name: string,
  ours: number,
  unit: Figure["unit"],
  goal: Figure["goal"],
  baseline?: Figure["baseline"],
) => print({ name, ours, unit, goal, baseline });
const none = { kind: "none" } as const;
const atMost = (max: number) => ({ kind: "at-most", max }) as const;
const atLeast = (min: number) => ({ kind: "at-least", min }) as const;

function refusals(name: string, found: readonly Run[], partMax: number): void {
  const made = sumOf(found.map((run) => run.made));
  figure(
    `${name}: refused by a limit`,
    sumOf(found.map((run) => run.refused)),
    "calls",
    atMost(Math.floor(partMax * made)),
  );
  const injected = sumOf(found.map((run) => run.injected));
  const jobs = sumOf(found.map((run) => run.jobs));
  figure(
    `${name}: calls for a job, without injected failures`,
    (made - injected) / jobs,
    "a job",
    atMost(1.01),
  );
}

const bound = (name: string, found: readonly Run[], goal: Figure["goal"], rivals?: readonly RivalRun[]) =>
  figure(
    `${name}: lower bound by makespan (worst seed ${Math.min(...found.map(share)).toFixed(3)})`,
    mean(found.map(share)),
    "of the bound",
    goal,
    rivals === undefined ? undefined : { name: "AI SDK, default retries", value: mean(rivals.map(share)) },
  );

async function onTheClock(): Promise<void> {
  // A foreman runs for hours: the first thousands are compiled while they run.
  await decisions(10_000, 4_000);
  const decided = await decisions(10_000, 4_000);
  figure("a decision, 10,000 waiting: CPU for each call begun", decided.begunUs, "us", atMost(50));
  figure("entering a line of 10,000: CPU", decided.enterUs, "us", none);

  const rivals = new Map<string, RivalRun[]>();
  for (const seed of seeds) {
    const plan = { seed, providers: four, calls: reference(seed), faults: {} };
    const note = (name: string, run: RivalRun) => rivals.set(name, [...(rivals.get(name) ?? []), run]);
    note("AI SDK, default retries", await aiSdk(plan, undefined));
    note("AI SDK, maxRetries 10", await aiSdk(plan, 10));
    note("bottleneck, least loaded first", await bottleneck(plan, "least loaded"));
    note("bottleneck, split 40/35/20/5 beforehand", await bottleneck(plan, "split"));
  }
  for (const [name, found] of rivals) {
    figure(`${name}: refused calls`, sumOf(found.map((run) => run.refused)), "calls", none);
    const calls = sumOf(found.map(({ made }) => made)) / sumOf(found.map(({ jobs }) => jobs));
    figure(`${name}: calls for a job`, calls, "a job", none);
    figure(`${name}: lower bound by makespan`, mean(found.map(share)), "of the bound", none);
  }

  for (const [words, setting] of [
    ["bursts configured", told],
    ["bursts not told", plain],
  ] as const) {
    const kinds = await runs("kinds", setting, undefined, ofKinds);
    refusals(`three kinds of known usual length, ${words}`, kinds, 0);
    bound(`three kinds of known usual length, ${words}`, kinds, atLeast(0.9));
    const alike = await runs("mixed", setting);
    refusals(`answers that nobody can foresee, ${words}`, alike, 0);
    bound(
      `answers that nobody can foresee, ${words}`,
      alike,
      atLeast(0.9),
      rivals.get("AI SDK, default retries"),
    );
    if (setting !== told) continue;
    await annealed("answers that nobody can foresee", reference, alike);
    await annealed("three kinds of known usual length", ofKinds, kinds);
  }
  figure(
    "the bound by that of whoever cannot foresee an answer",
    unforeseen(reference),
    "of the bound",
    none,
  );
  await twoGoals();
  const idle = { ...plain, providers: changed("AO", { roundTo: 1_000 }) };
  refusals("figures rounded to 1,000", await runs("rounded", idle), 0.001);
  // Limits under which 2,000 calls take a quarter of an hour and more, so that the last answer is a small part of it.
  for (const [name, setting] of [
    ["input tokens bind", one({ itpm: 450_000, rpm: 100_000, otpm: 10_000_000 })],
    ["output tokens bind", one({ itpm: 45_000_000, rpm: 100_000, otpm: 90_000 })],
    ["requests bind", one({ itpm: 45_000_000, rpm: 100, otpm: 10_000_000 })],
  ] as const) {
    const found = await runs(name, setting);
    refusals(name, found, 0);
    bound(name, found, atLeast(0.95));
  }
  for (const load of [0.7, 0.95, 1.2]) {
    const name = `Poisson at ${Math.round(load * 100)} %`;
    const found = await runs(name, told, load);
    refusals(name, found, 0);
    bound(name, found, atLeast(0.9));
    for (const level of [0, 1, 2] as const) {
      const waits = found.flatMap((run) => run.waits[level] ?? []);
      // Who was passed by `passedMax` times is waited for: about two minutes here, beside the two that two levels are apart.
      figure(
        `${name}: p99 wait of level ${level}`,
        atPart(waits, 0.99) / 1_000,
        "s",
        level === 2 ? atMost(240) : none,
      );
    }
  }
  for (const [name, setting] of [
    ["429 without a word, 0.5 % of calls", { ...plain, faults: faulty({ wordless: 0.005 }) }],
    ["529 storm of 15 s", { ...plain, faults: faulty({ storm: [60_000, 75_000] }) }],
    ["limits halved at 100 s", { ...plain, faults: faulty({ change: { at: 100_000, settings: halved } }) }],
    [
      "a second client takes 30 % of two accounts",
      { ...plain, providers: changed("AO", { foreign: { share: 0.3, everyMs: 2_000 } }) },
    ],
  ] as const)
    refusals(name, await runs(name, setting), 0.001);
  for (const [name, burstPart] of [
    ["bursts of a second, which nobody tells", 1 / 60],
    ["bursts of a minute, which nobody tells", 1],
  ] as const) {
    const found = await runs(name, { ...plain, providers: changed("AOG", { burstPart }) });
    refusals(name, found, 0);
    bound(name, found, none);
  }
  const window: Provider = {
    ...anthropic,
    settings: {
      ...{ counting: "subscription", shareStep: 0.01 },
      windows: [{ name: "5h", allowance: 2_000_000, periodMs: 18_000_000 }],
    },
  };
  const found = await runs("window", { ...plain, providers: [window], floor: 0.1 });
  const least = Math.min(...found.map(({ windowMost }) => windowMost));
  figure("a 5-hour window of hidden weights, 10 % kept: used at least", least * 100, "points", none);
  const most = Math.max(...found.map(({ windowMost }) => windowMost));
  figure(
    "a 5-hour window of hidden weights, 10 % kept: overshoot",
    Math.max(0, (most - 0.9) * 100),
    "points",
    atMost(1),
  );
}

/** The variant of `dispatch` that solves batches, beside the default. */
async function annealed(name: string, workload: Workload, usual: readonly Run[]): Promise<void> {
  const found: Run[] = [];
  for (const seed of seeds) {
    const plan = { ...told, seed, calls: workload(seed) };
    found.push(await played(plan, annealing(seeded(seed))));
  }
  refusals(`${name}, by annealing`, found, 0);
  const beside = (pick: (run: Run) => number) => ({ name: "the default", value: mean(usual.map(pick)) });
  figure(
    `${name}, by annealing: lower bound by makespan (worst seed ${Math.min(...found.map(share)).toFixed(3)})`,
    mean(found.map(share)),
    "of the bound",
    none,
    beside(share),
  );
  const cpu = ({ cpuUs }: Run) => cpuUs;
  figure(`${name}, by annealing: CPU for each call begun`, mean(found.map(cpu)), "us", none, beside(cpu));
}

async function twoGoals(): Promise<void> {
  const fair: Shared[] = [];
  const inOrder: Shared[] = [];
  for (const seed of seeds) {
    fair.push(await shared(seed, "by goals"));
    inOrder.push(await shared(seed, "as they come"));
  }
  const beside = (pick: (run: Shared) => number) => ({
    name: "first come, first served",
    value: Math.max(...inOrder.map(pick)),
  });
  const name = "two goals, the first asks ten times as much";
  const gap = (run: Shared) => run.gap;
  figure(`${name}: largest gap of service`, Math.max(...fair.map(gap)), "tokens", none, beside(gap));
  const wait = (run: Shared) => run.smallMs / 1_000;
  figure(`${name}: the second is done after`, Math.max(...fair.map(wait)), "s", none, beside(wait));
}

printMachine();
if (part !== "http") await onTheClock();
if (part !== "clock") await overHttp(seeds);
