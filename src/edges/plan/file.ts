/** A plan as a file: YAML (so JSON too), read with the line of everything in it, and written for people to edit. */
import { type Document, isMap, isNode, isSeq, LineCounter, parseDocument, stringify } from "yaml";
import { z } from "zod";
import type { BudgetWish } from "../../domain/budget.ts";
import type { Place, Plan, PlanFault, PlannedBead } from "../../domain/plan.ts";
import type { ReadPlan } from "../../domain/planning.ts";

/** Largest text believed, in characters. */
const charactersMax = 1_000_000;
const faultsMax = 20;

const texts = z.array(z.string()).default([]);
const rest = z.array(z.string().catch("")).default([]).catch([]);
const usual = { low: 500, high: 40_000 };
const Range = z.object({ low: z.number(), high: z.number() }).default(usual);
const minuteMs = 60_000;
const Bounds = z
  .strictObject({ usd: z.number().optional(), tokens: z.number().optional(), minutes: z.number().optional() })
  .refine((bounds) => Object.keys(bounds).length > 0, {
    error: "bounds nothing: give usd, tokens or minutes",
    when: ({ issues }) => issues.length === 0,
  })
  .optional()
  .transform((bounds): BudgetWish | undefined => {
    if (bounds === undefined) return undefined;
    const { usd, tokens, minutes } = bounds;
    const wallMsMax = minutes === undefined ? undefined : Math.ceil(minutes * minuteMs);
    return { usdMax: usd, tokensMax: tokens, wallMsMax };
  });

interface Written {
  name: string;
  intent: string;
  owns: string[];
  shares: string[];
  reads: string[];
  exports: string[];
  behaviours: string[];
  dependsOn: string[];
  checks: string[];
  tokens: { low: number; high: number };
  budget: BudgetWish | undefined;
  beads: Written[];
}

const Bead: z.ZodType<Written, unknown> = z.lazy(() =>
  z.strictObject({
    ...{ name: z.string(), intent: z.string(), owns: texts, shares: texts, reads: texts, exports: texts },
    ...{ behaviours: texts, dependsOn: texts, checks: texts, tokens: Range },
    budget: Bounds,
    beads: z.array(Bead).default([]),
  }),
);
/** What can be read of a bead whatever else it is: what is of another type stands as empty, at its place. */
const Rest: z.ZodType<Written, unknown> = z.lazy(() =>
  z.preprocess(
    (bead) => (typeof bead === "object" && bead !== null ? bead : {}),
    z.object({
      ...{ name: z.string().catch(""), intent: z.string().catch(""), tokens: Range.catch(usual) },
      ...{ owns: rest, shares: rest, reads: rest, exports: rest, behaviours: rest, dependsOn: rest },
      ...{ budget: Bounds.catch(undefined), checks: rest, beads: z.array(Rest).default([]).catch([]) },
    }),
  ),
);
const RestOfPlan = z.object({
  skeleton: z.record(z.string(), z.string().catch("")).default({}).catch({}),
  beads: z.array(Rest).catch([]),
});
const Shape = z.strictObject({
  goal: z.string().optional(),
  skeleton: z.record(z.string(), z.string()).default({}),
  beads: z.array(Bead),
});

/** Reads a plan; `name` stands in front of line numbers. Never throws for what the text says. */
export function readPlan(text: string, name: string): ReadPlan {
  if (text.length > charactersMax)
    return { kind: "refused", faults: [`${name} is larger than ${charactersMax} characters`] };
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, logLevel: "error" });
  const lineAt = (offset: number | undefined) => `${name}:${lines.linePos(offset ?? 0).line || 1}`;
  if (document.errors.length > 0) {
    const faults = document.errors.map(
      ({ message, pos }) => `${lineAt(pos[0])}: not valid YAML: ${complaintOf(message)}`,
    );
    // Where the parser gave up, what else it says is about its own trouble.
    const deep = faults.filter((each) => each.endsWith(tooDeep)).slice(0, 1);
    return { kind: "refused", faults: deep.length > 0 ? deep : faults.slice(0, faultsMax) };
  }
  const where = (at: Place) => lineAt(offsetOf(document, at));
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 0 });
  } catch {
    return { kind: "refused", faults: [`${name}: aliases are not read: write each bead out`] };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return {
      kind: "refused",
      faults: [
        `${name} holds no plan: it begins with "beads:" and a list of tasks; rigs goal plan --out writes one`,
      ],
    };
  const shape = Shape.safeParse(value);
  if (shape.success) {
    const { skeleton, beads } = shape.data;
    const plan = { skeleton, beads: beads as readonly PlannedBead[] };
    return { kind: "read", given: { plan, unread: [], where } };
  }
  const unread = shape.error.issues.flatMap(faultsOf).slice(0, faultsMax);
  const { skeleton, beads } = RestOfPlan.parse(value);
  return { kind: "read", given: { plan: { skeleton, beads: named(beads, "") }, unread, where } };
}

function faultsOf(issue: z.core.$ZodIssue): readonly PlanFault[] {
  const at = issue.path.filter((step) => typeof step !== "symbol");
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((key) => ({
      at: [...at, key],
      why: `${[...at, key].join(".")}: there is no such field`,
    }));
  const what = at.length === 0 ? "the plan" : at.join(".");
  return [{ at, why: `${what}: ${issue.message.replace(/^Invalid input: /, "")}` }];
}

/** Whoever has no name yet is called by his place, so that nobody is taken for another. */
function named(beads: readonly Written[], above: string): readonly PlannedBead[] {
  return beads.map((bead, index) => {
    const place = `${above}${index + 1}`;
    const name = bead.name === "" ? `bead ${place}` : bead.name;
    return { ...bead, name, beads: named(bead.beads, `${place}.`) };
  });
}

const tooDeep = "it is nested too deep";

/** In words for people: the parser speaks to programmers. */
function complaintOf(message: string): string {
  if (/call stack|stack overflow/i.test(message)) return tooDeep;
  if (message.includes("multiple documents")) return "it holds several plans; keep one";
  return message.split(" at line")[0] ?? message;
}

/** Where the nearest thing that is written begins: a missing field is looked for at its bead. */
function offsetOf(document: Document, at: Place): number | undefined {
  for (let length = at.length; length > 0; length--) {
    const node = document.getIn(at.slice(0, length), true);
    const parent = document.getIn(at.slice(0, length - 1), true);
    const key = at[length - 1];
    if (isMap(parent)) {
      const pair = parent.items.find((each) => isNode(each.key) && String(each.key) === String(key));
      if (pair !== undefined && isNode(pair.key)) return pair.key.range?.[0];
    }
    if (isNode(node)) return node.range?.[0];
    if (isSeq(parent) || isMap(parent)) return parent.range?.[0];
  }
  return document.contents?.range?.[0];
}

/** The text that reads back as the same plan; what is empty is left out. */
export function writePlan(plan: Plan, goal: string): string {
  const lean = (bead: PlannedBead): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries({ ...bead, budget: boundsOf(bead), beads: bead.beads.map(lean) }).filter(
        ([, value]) => value !== undefined && (!Array.isArray(value) || value.length > 0),
      ),
    );
  const whole = { goal, ...(Object.keys(plan.skeleton).length === 0 ? {} : { skeleton: plan.skeleton }) };
  return stringify({ ...whole, beads: plan.beads.map(lean) }, { lineWidth: 100 });
}

function boundsOf({ budget }: PlannedBead): Record<string, number> | undefined {
  if (budget === undefined) return undefined;
  const { usdMax: usd, tokensMax: tokens, wallMsMax } = budget;
  const minutes = wallMsMax === undefined ? undefined : wallMsMax / minuteMs;
  return JSON.parse(JSON.stringify({ usd, tokens, minutes }));
}
