/** A tank's gauges as lines for people: what is left, where the figures come from, and what is closed. */
import type { Strategy } from "../../domain/goal.ts";
import { unreachable } from "../../kit/assert.ts";
import type { Doubt, ProviderTanks, TanksSeen } from "../house.ts";
import { closureOf, type Gauge, gaugesOf, type Source, type WindowGauge, warningOf } from "./gauge.ts";
import { duration, grouped, moment, oneLine, type Sentence, type Tone } from "./sentences.ts";

const nameColumns = 15;

/** A line of a page: what it is about, and what is said of it. */
export function row(name: string, text: string): string {
  return `  ${name.padEnd(nameColumns)} ${text}`;
}

/** One limit on one line. */
export function gaugeLine(gauge: Gauge, provider: ProviderTanks, now: number): Sentence {
  switch (gauge.kind) {
    case "slots":
      return { tone: "plain", text: row("calls at once", slotsWords(gauge)) };
    case "window":
      return {
        tone: toneOf(gauge, provider),
        text: row(gauge.name, `${bar(1 - gauge.used)} ${windowWords(gauge, provider, now)}`),
      };
    case "rate":
      return {
        tone: "plain",
        text: row(
          gauge.name,
          `${bar(gauge.left)} ${percent(gauge.left)} left, refills ${amountOf(gauge.perMinute)} a minute`,
        ),
      };
    default:
      return unreachable(gauge);
  }
}

function toneOf(gauge: WindowGauge, { thresholds }: ProviderTanks): Tone {
  const warning = warningOf(gauge, thresholds);
  return warning === "red" ? "bad" : warning === "yellow" ? "warn" : "plain";
}

const barColumns = 20;

/** `[#####...............]`: what is left of 0 to 1. */
function bar(left: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, left)) * barColumns);
  return `[${"#".repeat(filled)}${".".repeat(barColumns - filled)}]`;
}

/** Never rounded to "100 %" or "0 %" where it is not. */
function percent(share: number): string {
  const points = share * 100;
  const rounded = share >= 1 ? Math.round(points) : Math.min(99, Math.round(points));
  return share > 0 && rounded === 0 ? "under 1 %" : `${rounded} %`;
}

/** 12345.6 is "12,346". */
export function amountOf(value: number): string {
  return grouped(Math.round(value));
}

function slotsWords(gauge: Extract<Gauge, { kind: "slots" }>): string {
  const { out, limit, max, source, isFirst, isRecovering } = gauge;
  if (isFirst) return `${out} of ${amountOf(limit)} out (one first, whose answer tells the limits)`;
  if (isRecovering)
    return `${out} of ${amountOf(limit)} out (one first after an overload, more as answers come)`;
  const bound = Number.isFinite(max) ? `, never more than ${max}` : ", more as answers come";
  const more = max === limit ? "" : bound;
  return `${out} of ${amountOf(limit)} out (${slotSources[source]}${more})`;
}

const slotSources: Readonly<Record<Source, string>> = {
  configured: "config.toml",
  told: "told by the provider",
  learned: "found by trying",
  assumed: "a guess",
};

function windowWords(gauge: WindowGauge, { thresholds }: ProviderTanks, now: number): string {
  const { limit, used, resetAt, perTokens } = gauge;
  if (limit === 0) return "0 allowed: the plan gives nothing of it";
  const whole = limit === undefined ? "" : ` of ${amountOf(limit)}`;
  const resumes = resetAt === undefined ? "" : `, resumes ${moment(resetAt, now)}`;
  const warning = warningOf(gauge, thresholds);
  const below = warning === undefined ? "" : `, below ${warning}`;
  const weight = perTokens === undefined ? "" : `, about ${points(perTokens)} % per 100k tokens`;
  return `${percent(used)} used${whole}${resumes}${below}${weight}`;
}

/** Two digits that say something. */
function points(share: number): string {
  const value = share * 100;
  return value >= 10 ? String(Math.round(value)) : String(Number(value.toPrecision(2)));
}

/** Until when nobody is let in, why, and what opens it. */
export function closedWords(
  { until, why }: { readonly until: number; readonly why: string },
  { name }: ProviderTanks,
  now: number,
): string {
  if (until === Number.POSITIVE_INFINITY)
    return `until you mend it: ${oneLine(why)}; then: rigs tank refresh ${name}`;
  return `until ${moment(until, now)} (in ${duration(until - now)}): ${oneLine(why)}`;
}

/** What is left aside of what a provider told. */
export function doubtWords({ what, at }: Doubt, now: number): string {
  return `it told ${oneLine(what)}, ${duration(Math.max(0, now - at))} ago, which is left aside`;
}

const sources: Readonly<Record<Source, string>> = {
  configured: "config.toml",
  told: "the provider",
  learned: "replies",
  assumed: "a guess",
};

/** Where the figures of a line come from. */
export function detailsOf(gauge: Gauge, { thresholds }: ProviderTanks, strategy: Strategy): string {
  if (gauge.kind === "slots") return "";
  if (gauge.kind === "rate") {
    const { level, burst, source, burstSource } = gauge;
    const size = `of ${amountOf(burst)} at once, ${burstSources[burstSource]}`;
    // Calls wrote more than was expected of them.
    const over = level < -0.5 ? `, ${amountOf(-level)} of them overdrawn` : "";
    return `${amountOf(Math.max(0, level))} ${size}${over}; the rate is from ${sources[source]}`;
  }
  const limit = gauge.limit === undefined ? "" : `; how much it holds is from ${sources[gauge.source]}`;
  const used = gauge.usedSource === "told" ? "told by the provider" : "counted here";
  const weight = gauge.perTokens === undefined ? "" : "; what tokens take of it is learned from replies";
  const below = warningOf(gauge, thresholds);
  const says = below === undefined ? "" : ruleOf(below, strategy);
  const rule =
    below === undefined || says === "" ? "" : `; below ${percent(thresholds[below])} left, ${says}`;
  const drift =
    gauge.drift === undefined
      ? ""
      : `; ${percent(gauge.drift)} of it went beyond what calls from here took: something else draws from this account, or it miscounts`;
  return `what is used is ${used}${limit}${weight}${rule}${drift}`;
}

const burstSources: Readonly<Record<Source, string>> = {
  configured: "config.toml",
  told: "as replies showed",
  learned: "fewer since it refused some",
  assumed: "a second's worth: many providers count by the second",
};

/** Who draws below a threshold (`domain/floor`). */
function ruleOf(below: "red" | "yellow", strategy: Strategy): string {
  if (below === "red") return "only urgent beads draw";
  if (strategy === "aggressive") return "";
  return strategy === "balanced"
    ? "beads of usual priority draw no faster than the window passes"
    : "beads of usual priority do not draw";
}

/** One line where a provider is closed or low, for pages about other things; undefined where all is well. */
export function tankWarning({ providers }: TanksSeen, now: number): string | undefined {
  const enabled = providers.filter(({ isEnabled }) => isEnabled);
  const closed = enabled.filter((each) => closureOf(each) !== undefined);
  const found = [...new Set([...closed, ...enabled])].flatMap((each) => warningWords(each, now));
  const [first] = found;
  if (first === undefined) return undefined;
  const more = found.length > 1 ? `; and ${found.length - 1} more: rigs tank list` : "";
  return `${first}${more}`;
}

function warningWords(provider: ProviderTanks, now: number): readonly string[] {
  const { name } = provider;
  const closure = closureOf(provider);
  if (closure !== undefined) return [`${name}: closed ${closedWords(closure, provider, now)}`];
  return provider.tanks
    .flatMap((tank) => gaugesOf(tank, now))
    .flatMap((gauge) => {
      const below = gauge.kind === "window" ? warningOf(gauge, provider.thresholds) : undefined;
      if (gauge.kind !== "window" || below === undefined) return [];
      const resumes = gauge.resetAt === undefined ? "" : `, resumes ${moment(gauge.resetAt, now)}`;
      return [`${name}: ${gauge.name} at ${percent(gauge.used)}${resumes} (below ${below})`];
    })
    .slice(0, 1);
}
