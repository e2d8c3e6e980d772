/**
 * Figures for Prometheus, in its text format 0.0.4. Labels are names of the configuration, of callers and of our own
 * tables, so there are never many series; nothing that a caller or provider wrote is one.
 */

const bucketsMs = [
  1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000,
] as const;

type Labels = Readonly<Record<string, string>>;

interface Histogram {
  readonly counts: number[];
  sum: number;
  count: number;
}

export interface Metrics {
  /** One call as it ended. */
  ended(labels: {
    readonly wire: string;
    readonly provider: string;
    readonly caller: string;
    readonly outcome: string;
  }): void;
  tokens(
    labels: { readonly provider: string; readonly caller: string; readonly direction: string },
    count: number,
  ): void;
  /** `stage`: "queue", "first-byte", "whole", in ms. */
  took(stage: string, ms: number): void;
  /** The whole page; `gauges` as they stand now. `only`: without the series of every other caller. */
  page(
    gauges: Readonly<Record<string, { readonly help: string; readonly value: number }>>,
    only?: string,
  ): string;
}

/** Beyond it, new series are counted under the name "other": a bound, not a limit that anybody meets. */
const seriesMax = 10_000;

export function openMetrics(): Metrics {
  const calls = new Map<string, Series>();
  const tokens = new Map<string, Series>();
  const stages = new Map<string, Histogram>();
  return {
    ended: (labels) => count(calls, labels, 1),
    tokens: (labels, amount) => count(tokens, labels, amount),
    took(stage, ms) {
      let known = stages.get(stage);
      if (known === undefined) {
        known = { counts: bucketsMs.map(() => 0), sum: 0, count: 0 };
        stages.set(stage, known);
      }
      known.sum += ms;
      known.count += 1;
      const at = bucketsMs.findIndex((bound) => ms <= bound);
      if (at >= 0) known.counts[at] = (known.counts[at] ?? 0) + 1;
    },
    page: (gauges, only) =>
      [
        ...family(
          "rigs_gateway_calls_total",
          "counter",
          "Calls by how they ended.",
          lines("rigs_gateway_calls_total", calls, only),
        ),
        ...family(
          "rigs_gateway_tokens_total",
          "counter",
          "Tokens, as providers count them.",
          lines("rigs_gateway_tokens_total", tokens, only),
        ),
        ...family(
          "rigs_gateway_seconds",
          "histogram",
          "Time of calls by stage.",
          [...stages].flatMap(histogramLines),
        ),
        ...Object.entries(gauges).flatMap(([name, { help, value }]) =>
          family(name, "gauge", help, [`${name} ${value}`]),
        ),
        "",
      ].join("\n"),
  };
}

interface Series {
  readonly labels: Labels;
  value: number;
}

function count(all: Map<string, Series>, labels: Labels, amount: number): void {
  // No label holds a line end; they are written when somebody looks.
  const key = Object.values(labels).join("\n");
  const known = all.get(key) ?? added(all, key, labels);
  known.value += amount;
}

function added(all: Map<string, Series>, key: string, labels: Labels): Series {
  const isFull = all.size >= seriesMax;
  const place = isFull ? "" : key;
  const series = all.get(place) ?? { labels: isFull ? { caller: "other" } : { ...labels }, value: 0 };
  all.set(place, series);
  return series;
}

function written(labels: Labels): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return `{${parts.join(",")}}`;
}

function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function lines(name: string, all: ReadonlyMap<string, Series>, only: string | undefined): readonly string[] {
  return [...all.values()].flatMap(({ labels, value }) =>
    only === undefined || labels.caller === only ? [`${name}${written(labels)} ${value}`] : [],
  );
}

function family(name: string, type: string, help: string, rows: readonly string[]): readonly string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...rows];
}

function histogramLines([stage, { counts, sum, count: total }]: readonly [
  string,
  Histogram,
]): readonly string[] {
  const name = "rigs_gateway_seconds";
  const label = `stage="${escaped(stage)}"`;
  let below = 0;
  const rows = bucketsMs.map((bound, index) => {
    below += counts[index] ?? 0;
    return `${name}_bucket{${label},le="${bound / 1_000}"} ${below}`;
  });
  return [
    ...rows,
    `${name}_bucket{${label},le="+Inf"} ${total}`,
    `${name}_sum{${label}} ${sum / 1_000}`,
    `${name}_count{${label}} ${total}`,
  ];
}
