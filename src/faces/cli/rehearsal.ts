/** `rigs simulate --report` on one screen. */
import type { House, Rehearsal, RehearsalWish, Spread, Terminal } from "../house.ts";
import { exits } from "./exit.ts";
import { say } from "./paint.ts";
import { duration, grouped } from "./sentences.ts";

interface Asked extends Pick<RehearsalWish, "beads" | "calls" | "input" | "output" | "workers" | "seed"> {
  readonly provider?: readonly string[];
  readonly checkSeconds: number;
  readonly firstTokenMs?: number;
  readonly tokensPerSecond?: number;
}

/** A hosted model's usual pace. */
const firstTokenUsual = 1_000;
const tokensPerSecondUsual = 60;

export async function rehearse(
  { beads, calls, input, output, workers, seed, ...asked }: Asked,
  options: { readonly json?: boolean },
  house: House,
  terminal: Terminal,
): Promise<number> {
  const rehearsal = await house.rehearse({
    ...{ beads, calls, input, output, workers, seed },
    providers: asked.provider ?? [],
    checkMs: asked.checkSeconds * 1_000,
    firstTokenMs: asked.firstTokenMs ?? firstTokenUsual,
    tokensPerSecond: asked.tokensPerSecond || tokensPerSecondUsual,
  });
  if (options.json) terminal.out(JSON.stringify(rehearsal));
  else for (const line of linesOf(rehearsal)) say(terminal, "out", { tone: "plain", text: line });
  return exits.done;
}

/** Less of a limit than this is nothing that anybody waits for. */
const noticed = 0.005;

function linesOf(rehearsal: Rehearsal): readonly string[] {
  const { wish, seeds, wallMs, calls, refused, left, leftWhy, providers, workersShare } = rehearsal;
  const { beads, workers } = wish;
  const last = seeds.length > 1 ? ` to ${seeds.at(-1)}` : "";
  return [
    `a simulation: nobody was asked. ${grouped(beads)} beads, ${workers} at a time, seed ${seeds[0]}${last}`,
    row("time", ranged(wallMs, duration)),
    row("calls", `${ranged(calls, grouped)}; refused: ${ranged(refused, grouped)}`),
    row("cost", costWords(rehearsal)),
    ...(left === 0 ? [] : [row("undone", `${grouped(left)} beads: ${leftWhy}`)]),
    ...providers.map(({ name, callsShare, limits }) => {
      const used = limits
        .filter(({ share }) => share >= noticed)
        .map((limit) => `${percent(limit.share)} of ${limit.name} ${grouped(limit.value)}`);
      return row(name, `${percent(callsShare)} of the calls${used.length > 0 ? `, ${used.join(", ")}` : ""}`);
    }),
    row("workers", `at work ${percent(workersShare)} of the time, otherwise waiting for a limit`),
    row("binds", bindingWords(rehearsal)),
    ...assumptions(rehearsal).map((text, index) => row(index === 0 ? "assumed" : "", text)),
  ];
}

function bindingWords({ raised }: Rehearsal): string {
  if (raised === undefined) return "no limit alone: twice of any one of them gives no more";
  const { provider, limit, from, to, wallMs } = raised;
  const what = provider === undefined ? "the workers" : `${limit} of ${provider}`;
  return `${what}: ${grouped(to)} instead of ${grouped(from)} gives ${duration(wallMs)}`;
}

function costWords({ usd, unpriced, providers }: Rehearsal): string {
  if (unpriced.length === providers.length && unpriced.length > 0)
    return `unknown: no price of ${unpriced.join(", ")} is known; set price in config.toml`;
  const known = ranged(usd, (amount) => `$${amount.toFixed(2)}`);
  return unpriced.length === 0 ? known : `${known}, without ${unpriced.join(", ")}, whose price is not known`;
}

function assumptions({ wish, providers }: Rehearsal): readonly string[] {
  const { calls, input, output, checkMs, firstTokenMs, tokensPerSecond } = wish;
  const free = providers.filter(({ isLimited }) => !isLimited).map(({ name }) => name);
  return [
    `${calls} calls a bead, prompts of ${grouped(input)} tokens and answers of ${grouped(output)} in the middle, one in six 1.8 times that`,
    `${duration(checkMs)} of runs after each call, first token after ${duration(firstTokenMs)}, ${tokensPerSecond} tokens/s, nothing from a cache`,
    `limits as configured, full at the start, ${burstsWords(providers)}, used by nobody else`,
    ...providers.flatMap((provider) => tooLargeWords(provider, input)),
    ...(providers.some(({ limits }) => limits.some(({ name }) => name === "rpd"))
      ? [
          "of a day's requests as much kept back as threshold_yellow and the strategy say, for beads of high priority",
        ]
      : []),
    ...(free.length === 0 ? [] : [`${free.join(", ")}: no limits are configured, so none were played`]),
  ];
}

/** A prompt that a whole minute does not let in: here it goes when nothing else was taken, real providers mostly refuse it. */
function tooLargeWords({ name, limits }: Rehearsal["providers"][number], input: number): readonly string[] {
  const least = limits
    .filter((limit) => (limit.name === "itpm" || limit.name === "tpm") && limit.value < input)
    .toSorted((left, right) => left.value - right.value)[0];
  if (least === undefined) return [];
  return [
    `${name}: a prompt of ${grouped(input)} tokens is more than its ${least.name} of ${grouped(least.value)}: real providers mostly refuse it whenever it comes; here it went when the whole minute was free`,
  ];
}

/** What came at once: "a sixth of a minute's worth at once (a: 1 second's worth)". */
function burstsWords(providers: Rehearsal["providers"]): string {
  const limited = providers.filter(({ isLimited }) => isLimited);
  const set = limited.flatMap(({ name, burstSeconds }) =>
    burstSeconds === undefined ? [] : [{ name, words: secondsWords(burstSeconds) }],
  );
  const usual = "a sixth of a minute's worth at once";
  if (set.length === 0) return usual;
  const each = set.map(({ name, words }) => `${name}: ${words}`).join(", ");
  const [first] = set;
  const isOne = set.length === limited.length && set.every(({ words }) => words === first?.words);
  return isOne ? `${first?.words} at once` : `${usual} (${each})`;
}

function secondsWords(seconds: number): string {
  return seconds === 1 ? "1 second's worth" : `${seconds} seconds' worth`;
}

function row(name: string, text: string): string {
  return `${name.padEnd(10)} ${text}`;
}

function ranged({ median, least, most }: Spread, words: (value: number) => string): string {
  const [middle, from, to] = [words(median), words(least), words(most)];
  return from === to ? middle : `${middle} (${from} to ${to})`;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
