/** Commands about tanks: what is left of each provider's limits, where every figure comes from, and asking anew. */
import type { Strategy } from "../../domain/goal.ts";
import type { Draft } from "../../domain/meter.ts";
import { type Readiness, readyAt } from "../../domain/tank.ts";
import {
  type AtWork,
  addAdvice,
  type House,
  type ProviderLine,
  type ProviderTanks,
  type Refreshed,
  type TankSeen,
  type TanksSeen,
  type Terminal,
  UsageError,
} from "../house.ts";
import { amountOf, closedWords, detailsOf, doubtWords, gaugeLine, row } from "./dial.ts";
import { exits } from "./exit.ts";
import { closureOf, gaugesOf, untoldOf } from "./gauge.ts";
import { paint, say } from "./paint.ts";
import { duration, moment, oneLine, type Sentence, type Tone } from "./sentences.ts";
import { cut } from "./width.ts";

interface Json {
  readonly json?: boolean;
}

export async function listTanks({ json }: Json, house: House, terminal: Terminal): Promise<number> {
  const { seen, atWork, now, lines } = await look(house);
  if (json) {
    const providers = seen.providers.map((each) => documentOf(each, lines, now));
    terminal.out(JSON.stringify({ savedAt: seen.savedAt ?? null, note: seen.note ?? null, providers }));
    return exits.done;
  }
  if (seen.providers.length === 0) {
    terminal.out(`no providers are configured. Add one with: ${addAdvice}`);
    return exits.done;
  }
  if (seen.note !== undefined) say(terminal, "err", { tone: "warn", text: oneLine(seen.note) });
  const tell = ({ tone, text }: Sentence) =>
    terminal.out(paint(cut(text, terminal.columns("out")), tone, terminal.hasColor("out")));
  tell({ tone: "dim", text: `${ageWords(seen, atWork, now)}; a bar shows what is left` });
  for (const provider of seen.providers) {
    tell(headWords(provider, lines));
    for (const sentence of bodyWords(provider, now)) tell(sentence);
  }
  return exits.done;
}

async function look(house: House) {
  const [seen, atWork, lines] = await Promise.all([house.tanks(), house.atWork(), house.providers()]);
  return { seen, atWork, lines, now: house.clock.now() };
}

/** A moment that is ahead by more than this was written under another clock. */
const clockJitterMs = 60_000;

/** How old the figures are, and whose. */
function ageWords({ savedAt }: TanksSeen, atWork: AtWork, now: number): string {
  if (savedAt === undefined) return "nobody was asked yet, so this is what config.toml says";
  const age = duration(Math.max(0, now - savedAt));
  if (savedAt > now + clockJitterMs) return "as it was left while the clock was ahead of now";
  return atWork.kind === "nobody"
    ? `as it was left ${age} ago, counted on to now`
    : `as ${atWork.kind === "process" ? `process ${atWork.process}` : "the process at work"} wrote it ${age} ago`;
}

function headWords(provider: ProviderTanks, lines: readonly ProviderLine[]): Sentence {
  const { name, kind, model, tier, isEnabled } = provider;
  const line = lines.find((each) => each.name === name);
  const isUsable = line === undefined || line.state === "usable";
  const state = !isEnabled ? "  disabled" : isUsable ? "" : `  unusable: ${oneLine(line.why)}`;
  return { tone: isUsable ? "plain" : "warn", text: `${name}  ${kind}  ${model}  ${tier}${state}` };
}

/** The closure first: where nobody is let in, the rest matters less. */
function bodyWords(provider: ProviderTanks, now: number): readonly Sentence[] {
  const closure = closureOf(provider);
  const closed =
    closure === undefined
      ? []
      : [{ tone: "bad" as const, text: row("closed", closedWords(closure, provider, now)) }];
  if (provider.isBoundless) return [...closed, { tone: "dim", text: row("limits", "none: it is a script") }];
  const gauges = provider.tanks
    .flatMap((tank) => gaugesOf(tank, now))
    .map((gauge) => gaugeLine(gauge, provider, now));
  const untold = provider.tanks.flatMap(untoldOf);
  const assumed =
    untold.length === 0
      ? []
      : [{ tone: "dim" as const, text: row("not known yet", `${untold.join(", ")}: a reply will tell`) }];
  const doubted = provider.tanks.flatMap(({ doubt }) =>
    doubt === undefined ? [] : [{ tone: "warn" as const, text: row("not believed", doubtWords(doubt, now)) }],
  );
  return [...closed, ...gauges, ...doubted, ...assumed];
}

/** A call as it usually is, to say what one would wait for. */
const usual = { input: 8_000, cachedInput: 0, output: 1_000 };
/** Output tokens a ms. */
const usualPerMs = 0.05;

export async function showTank(
  typed: string,
  { json }: Json,
  house: House,
  terminal: Terminal,
): Promise<number> {
  const { seen, atWork, lines, now } = await look(house);
  const provider = findTank(typed, seen);
  if (json) {
    const { savedAt, note, strategy } = seen;
    const document = documentOf(provider, lines, now);
    terminal.out(JSON.stringify({ savedAt: savedAt ?? null, note: note ?? null, strategy, ...document }));
    return exits.done;
  }
  if (seen.note !== undefined) say(terminal, "err", { tone: "warn", text: oneLine(seen.note) });
  say(terminal, "out", headWords(provider, lines));
  say(terminal, "out", { tone: "dim", text: `  ${ageWords(seen, atWork, now)}` });
  if (provider.isBoundless)
    say(terminal, "out", { tone: "plain", text: "  it is a script: nothing limits it" });
  else
    for (const tank of provider.tanks) describe(tank, provider, { strategy: seen.strategy, now, terminal });
  say(terminal, "out", waitWords(provider, seen.strategy, now));
  for (const text of nextSteps(provider, lines, atWork, now)) say(terminal, "out", { tone: "plain", text });
  return exits.done;
}

/** Asks one provider, or all that are switched on and no script. */
export async function refreshTanks(
  typed: string | undefined,
  { json, ask }: Json & { readonly ask?: boolean },
  house: House,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const seen = await house.tanks();
  const meant =
    typed === undefined
      ? seen.providers.filter(({ isEnabled, isBoundless }) => isEnabled && !isBoundless)
      : [findTank(typed, seen)];
  if (meant.length === 0)
    throw new UsageError(`no provider has limits to ask for; add one with: ${addAdvice}`);
  // Whether it is mended only an answer tells, of whatever kind the provider is.
  const [shut, others] = [meant.filter(isShut), meant.filter((each) => !isShut(each))];
  const hands = await house.hands();
  const came: Refreshed[] = [];
  try {
    for (const [group, effort] of [
      [shut, "try"],
      [others, ask ? "ask" : "look"],
    ] as const)
      if (group.length > 0)
        came.push(...(await hands.refresh({ names: group.map(({ name }) => name), effort }, signal)));
  } finally {
    await hands.close();
  }
  if (json) terminal.out(JSON.stringify(came));
  else
    for (const { name, kind, text } of came) {
      const tone = kind === "told" ? "good" : kind === "silent" ? "dim" : "warn";
      say(terminal, "out", { tone, text: `${name}: ${oneLine(text)}` });
    }
  return came.some(({ kind }) => kind === "failed") ? exits.failed : exits.done;
}

/** Closed until a person has done something. */
function isShut(provider: ProviderTanks): boolean {
  return closureOf(provider)?.until === Number.POSITIVE_INFINITY;
}

/** A provider's name, or the name of a tank that it draws from. UsageError when there is none. */
export function findTank(typed: string, { providers }: TanksSeen): ProviderTanks {
  const found =
    providers.find(({ name }) => name === typed) ??
    providers.find(({ tanks }) => tanks.some(({ tank }) => tank.name === typed));
  if (found !== undefined) return found;
  const known = providers.map(({ name }) => name).join(", ") || "none";
  throw new UsageError(
    `no provider "${oneLine(typed)}" is configured (configured: ${known}); rigs tank list`,
  );
}

const scopes: Readonly<Record<"whole" | "account" | "model", string>> = {
  whole: "account and model",
  account: "the account: what all its models share",
  model: "the model on it",
};

function describe(
  seen: TankSeen,
  provider: ProviderTanks,
  {
    strategy,
    now,
    terminal,
  }: { readonly strategy: Strategy; readonly now: number; readonly terminal: Terminal },
): void {
  const tell = (name: string, text: string, tone: Tone = "plain") =>
    say(terminal, "out", { tone, text: row(name, text) });
  const { tank } = seen;
  say(terminal, "out", { tone: "plain", text: `tank ${oneLine(tank.name)} (${scopes[tank.scope]})` });
  const { closure } = tank;
  if (closure !== undefined) tell("closed", closedWords(closure, provider, now), "bad");
  const gauges = gaugesOf(seen, now);
  for (const gauge of gauges) {
    const { tone, text } = gaugeLine(gauge, provider, now);
    say(terminal, "out", { tone, text });
    const details = detailsOf(gauge, provider, strategy);
    if (details !== "") say(terminal, "out", { tone: "dim", text: row("", details) });
  }
  if (seen.doubt !== undefined) tell("not believed", doubtWords(seen.doubt, now), "warn");
  const untold = untoldOf(seen);
  if (untold.length > 0)
    tell("not known yet", `${untold.join(", ")}: nothing limits them here until a reply tells`, "dim");
  if (gauges.length === 0 && untold.length === 0 && closure === undefined)
    tell("no limits", "none is configured, and none was told", "dim");
}

/** Whether a call of a usual size could begin, and what it would wait for. */
function waitWords(provider: ProviderTanks, strategy: Strategy, now: number): Sentence {
  const size = `a call of ${amountOf(usual.input)} tokens in and ${amountOf(usual.output)} out`;
  const outputMax = Math.max(usual.output, provider.outputTokensMax);
  const { at, waitsFor } = readinessOf(provider, { ...usual, outputMax }, strategy, now);
  if (waitsFor === undefined) return { tone: "good", text: `${size} could begin now` };
  if (at === Number.POSITIVE_INFINITY)
    return { tone: "warn", text: `${size} would wait for: ${oneLine(waitsFor)}` };
  const until = `${moment(at, now)} (in ${duration(at - now)})`;
  return { tone: "warn", text: `${size} would wait until ${until} for: ${oneLine(waitsFor)}` };
}

/** As a bead of usual priority meets it. */
function readinessOf(
  { tanks, thresholds }: ProviderTanks,
  draft: Draft,
  strategy: Strategy,
  now: number,
): Readiness {
  const start: Readiness = { at: now, waitsFor: undefined };
  const floor = { ...thresholds, strategy, priority: 2 } as const;
  return tanks
    .map(({ tank }) => readyAt(tank, { draft, perMs: usualPerMs, floor }, now))
    .reduce((latest, each) => (each.at > latest.at ? each : latest), start);
}

/** A person may want to know sooner whether it still holds. As in `work/closures`. */
const longMs = 12 * 3_600_000;
/** So long only where it told an even longer wait, or nearly. */
const farMs = 30 * 86_400_000;

/** What a person can do about it, a line each. */
function nextSteps(
  provider: ProviderTanks,
  lines: readonly ProviderLine[],
  atWork: AtWork,
  now: number,
): readonly string[] {
  const closure = closureOf(provider);
  const line = lines.find(({ name }) => name === provider.name);
  if (line?.state === "unusable") return [`next: ${oneLine(line.why)}`];
  if (closure === undefined) return [];
  const again = `rigs tank refresh ${provider.name}`;
  const left = closure.until - now;
  if (left <= longMs) return [`next: nothing; it opens by itself in ${duration(left)}`];
  if (left !== Number.POSITIVE_INFINITY) {
    const most = left > farMs ? " (no wait of more than 31 days is believed)" : "";
    return [`next: it opens by itself in ${duration(left)}${most}; to ask once before: ${again} --ask`];
  }
  return [
    atWork.kind === "nobody"
      ? `next: mend it; the next goal that is worked on asks once more, or now: ${again}`
      : `next: mend it, then: ${again}`,
  ];
}

/** One provider as JSON: what has no end or bound is null. */
function documentOf(provider: ProviderTanks, lines: readonly ProviderLine[], now: number) {
  const { name, kind, model, tier, isEnabled, isBoundless, thresholds } = provider;
  const line = lines.find((each) => each.name === name);
  const closure = closureOf(provider);
  return {
    ...{ provider: name, kind, model, tier, thresholds },
    state: isEnabled ? (line?.state ?? "usable") : "disabled",
    isUnlimited: isBoundless,
    closure: closure === undefined ? null : plain({ until: closure.until, why: closure.why }),
    tanks: provider.tanks.map((seen) => ({
      name: seen.tank.name,
      scope: seen.tank.scope,
      isKept: seen.isKept,
      closure: seen.tank.closure === undefined ? null : plain({ ...seen.tank.closure }),
      notBelieved: seen.doubt ?? null,
      gauges: gaugesOf(seen, now).map((gauge) => plain({ ...gauge })),
      notKnownYet: untoldOf(seen),
    })),
  };
}

function plain(values: Readonly<Record<string, unknown>>) {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [
      key,
      value === undefined || value === Number.POSITIVE_INFINITY ? null : value,
    ]),
  );
}
