/** What was typed as an order: whom to ask, within which bounds, decided by what. */
import type { Priority } from "../../domain/bead.ts";
import type { BudgetWish } from "../../domain/budget.ts";
import type { Strategy } from "../../domain/goal.ts";
import { placedBeads } from "../../domain/plan.ts";
import type { Intake, Wish } from "../../work/intake.ts";
import { type House, UsageError } from "../house.ts";
import { readText } from "./input.ts";

export interface BudgetOptions {
  readonly budgetUsd?: number;
  readonly budgetTokens?: number;
  readonly maxMinutes?: number;
}

/** The options of `goal execute`, as commander parses them. */
export interface ExecuteOptions extends BudgetOptions, OrderOptions {
  readonly file?: string;
  readonly plan?: string;
  readonly solo?: boolean;
  readonly fleet?: boolean;
  readonly workers: number;
  readonly json?: boolean;
}

/** What is said of any work in a repository. */
export interface OrderOptions extends BudgetOptions {
  readonly repo?: string;
  readonly check: readonly string[];
  readonly checkRun?: string;
  readonly probe?: string;
  readonly guardsOnly?: boolean;
  readonly checkExit: readonly string[];
  readonly protect: readonly string[];
  readonly allowChange: readonly string[];
  readonly allowDeps?: boolean;
  readonly setup?: string;
  readonly provider: readonly string[];
  readonly strategy?: Strategy;
  readonly priority?: Priority;
  readonly includeDirty?: boolean;
  readonly unsafeNoSandbox?: boolean;
  readonly keepRevisions?: boolean;
}

type Taken = Pick<Extract<Intake, { readonly kind: "order" }>, "order" | "notes" | "course">;

/** What was typed as an order, with what people should know of it. UsageError for what cannot be worked on. */
export async function orderFrom(
  text: string | undefined,
  options: ExecuteOptions,
  house: House,
  signal: AbortSignal,
): Promise<Taken> {
  const wanted = await goalText(text, options.file, signal);
  if (options.solo === true && options.fleet === true)
    throw new UsageError("--solo and --fleet contradict each other: leave one out");
  const plan = options.plan === undefined ? undefined : await house.readPlan(options.plan);
  const how: How = {
    plan: plan === undefined ? undefined : { ...plan, why: "a plan was given" },
    mode: options.solo === true ? "solo" : options.fleet === true ? "fleet" : "auto",
    workersMax: options.workers,
  };
  return takenIn(options.provider, house, (providers) =>
    wishOf(wanted, { ...options, provider: providers }, how, house),
  );
}

/** An order for what is wished of these providers, or of all that are usable. UsageError for what cannot be worked on. */
export async function takenIn(
  named: readonly string[],
  house: House,
  wish: (providers: readonly string[]) => OpenWish,
): Promise<Taken> {
  const providers = await house.chooseProviders(named);
  if (providers.kind === "none") throw new UsageError(providers.why);
  const open = wish(providers.names);
  const wished: Wish = { ...open, strategy: open.strategy ?? providers.strategy };
  const intake = await house.takeIn(wished);
  if (intake.kind === "refused") throw new UsageError(intake.why);
  const parts = wished.plan === undefined ? [] : placedBeads(wished.plan.plan);
  const inUsd = [wished.budget, ...parts.flatMap(({ bead }) => bead.budget ?? [])];
  const priced = priceNotes(inUsd.find(({ usdMax }) => usdMax !== undefined) ?? wished.budget, providers);
  const { order, notes, course } = intake;
  return { order, notes: [...providers.notes, ...priced, ...notes], course };
}

/** Where a budget in USD gets its prices from. UsageError where it has none. */
export function priceNotes({ usdMax }: BudgetWish, { unpriced, listed }: Priced): readonly string[] {
  if (usdMax === undefined) return [];
  if (unpriced.length > 0)
    throw new UsageError(
      `a budget in USD cannot hold for ${unpriced.join(", ")}, whose price is not known: set price = { input = 3, output = 15 } (USD per million tokens) in config.toml, or use --budget-tokens`,
    );
  if (listed.length === 0) return [];
  return [
    `the USD budget counts at list prices: ${listed.join(", ")}; set price in config.toml where yours is another`,
  ];
}

type Priced = Pick<
  Extract<Awaited<ReturnType<House["chooseProviders"]>>, { readonly kind: "chosen" }>,
  "unpriced" | "listed"
>;

/** A wish that may leave the strategy to the configuration. */
export type OpenWish = Omit<Wish, "strategy"> & { readonly strategy: Strategy | undefined };

/** How it is worked on. */
export type How = Pick<Wish, "plan" | "mode" | "workersMax">;

/** `options.provider`: those that were chosen. */
export function wishOf(text: string, options: OrderOptions, how: How, { folder }: House): OpenWish {
  return {
    text,
    folder: options.repo ?? folder,
    checks: options.check,
    checksByExit: options.checkExit,
    guardsOnly: options.guardsOnly === true,
    program: { command: options.checkRun, probe: options.probe },
    protect: options.protect,
    allowChange: options.allowChange,
    allowDependencies: options.allowDeps === true,
    setup: options.setup,
    providers: options.provider,
    budget: { ...budgetOf(options), wallFrom: undefined },
    strategy: options.strategy,
    priority: options.priority ?? 2,
    ...how,
    includeDirty: options.includeDirty === true,
    unsafeNoSandbox: options.unsafeNoSandbox === true,
    keepRevisions: options.keepRevisions === true,
  };
}

export function budgetOf({ budgetUsd, budgetTokens, maxMinutes }: BudgetOptions): BudgetWish {
  const wallMsMax = maxMinutes === undefined ? undefined : maxMinutes * 60_000;
  return { usdMax: budgetUsd, tokensMax: budgetTokens, wallMsMax };
}

async function goalText(
  text: string | undefined,
  file: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  if (text !== undefined && file !== undefined)
    throw new UsageError("give the goal as text or with --file, not both");
  if (text !== undefined) return text;
  if (file !== undefined) return readText(file, signal);
  throw new UsageError('say what you want: rigs goal execute "…", or --file goal.md');
}
