/**
 * A plan: the tree of contracts that a big goal becomes, and what is wrong with it. Whoever wrote it, a model or a
 * person, gets every fault at once, each with its place, so that one more round mends all of them.
 */
import type { BudgetWish } from "./budget.ts";
import { checkPath } from "./path.ts";
import { isProtected, whyAsked } from "./protected.ts";
import { testsNamed } from "./reach.ts";

/** What one bead promises. Paths are relative to the top of the repository, "/" between parts. */
export interface PlannedBead {
  /** Letters, digits and "-", at most 40; unique in the whole plan. */
  readonly name: string;
  readonly intent: string;
  /** Paths, or folders with everything below them ("src/shop/**"). No other bead's may meet them. */
  readonly owns: readonly string[];
  /** What it may write beside that, in the same form or "**", where others may too if they share it: put together when they land. */
  readonly shares: readonly string[];
  /** Paths it may read beside its own, in the same form. */
  readonly reads: readonly string[];
  /** "path: symbol and type", one for everything that others use. */
  readonly exports: readonly string[];
  /** What it does, a sentence each. */
  readonly behaviours: readonly string[];
  /** Names of beads whose work it needs. */
  readonly dependsOn: readonly string[];
  /** Commands that decide about it. */
  readonly checks: readonly string[];
  /** Tokens it may take, as a range. */
  readonly tokens: { readonly low: number; readonly high: number };
  /** What it may take, with the smaller beads below it; undefined: what the goal has left. Only a person gives one. */
  readonly budget: BudgetWish | undefined;
  /** Smaller beads that are done before it. */
  readonly beads: readonly PlannedBead[];
}

export interface Plan {
  /** Files the parent commits before any bead starts, by path: types, stubs, its own integration test. */
  readonly skeleton: Readonly<Record<string, string>>;
  readonly beads: readonly PlannedBead[];
}

/** Steps from the top of the plan to the place of a fault: names of fields and positions in lists. */
export type Place = readonly (string | number)[];

/** "beads.0.checks.1" */
export function placeName(at: Place): string {
  return at.join(".");
}

export interface PlanFault {
  readonly at: Place;
  /** What is wrong and what to do, one line. */
  readonly why: string;
}

/** What a plan is measured against. */
export interface Ground {
  /** Files of the base commit. */
  readonly paths: readonly string[];
  /** Files that no bead may own although they exist or not: `isProtected` of the goal. */
  isProtected: (path: string) => boolean;
  /** Why a new file of this path would need the user's word; undefined: it would not. */
  whyAsked: (path: string) => string | undefined;
  /** What the goal may take. */
  readonly budget: BudgetWish;
}

/** What the user's order makes of these files. */
export function groundOver(
  paths: readonly string[],
  order: {
    readonly protect: readonly string[];
    readonly allowChange: readonly string[];
    readonly allowDependencies: boolean;
    readonly budget: BudgetWish;
  },
): Ground {
  const { protect, allowChange, budget } = order;
  const known = new Set(paths);
  return {
    paths,
    isProtected: (path) => isProtected(path, { protect, allowChange, existsOnBase: known.has(path) }),
    whyAsked: (path) => whyAsked(path, order),
    budget,
  };
}

export const planBounds = { depthMax: 3, fanOutMax: 5, beadsMax: 40, faultsMax: 50 } as const;

/** A bead with its place, its parent's name and what it waits for, named or by being a parent. */
export interface Placed {
  readonly bead: PlannedBead;
  readonly at: Place;
  readonly parent: string | undefined;
  readonly depth: number;
}

/** Every bead of a plan, parents before their children. */
export function placedBeads(plan: Plan): readonly Placed[] {
  const placed: Placed[] = [];
  const visit = (beads: readonly PlannedBead[], at: Place, parent: string | undefined, depth: number) => {
    for (const [index, bead] of beads.entries()) {
      if (placed.length > 10 * planBounds.beadsMax) return;
      const here = [...at, index];
      placed.push({ bead, at: here, parent, depth });
      visit(bead.beads, [...here, "beads"], bead.name, depth + 1);
    }
  };
  visit(plan.beads, ["beads"], undefined, 1);
  return placed;
}

/** Where each check of a plan stands in its text, by `placeName`. */
export function checkLines(plan: Plan, where: (at: Place) => string): Readonly<Record<string, string>> {
  const places = placedBeads(plan).flatMap(({ bead, at }) =>
    bead.checks.map((_, index): Place => [...at, "checks", index]),
  );
  return Object.fromEntries(places.map((at) => [placeName(at), where(at)]));
}

/** Names each bead waits for: those it names, and the beads below it. */
export function waitsFor({ dependsOn, beads }: PlannedBead): readonly string[] {
  return [...new Set([...dependsOn, ...beads.map((bead) => bead.name)])];
}

/**
 * Everything that is wrong with a plan, in the order of its text, at most 50; none for a plan that can be worked on. Only a
 * person may let several beads write one file.
 */
export function planFaults(
  plan: Plan,
  ground: Ground,
  author: "person" | "planner" = "person",
): readonly PlanFault[] {
  const placed = placedBeads(plan);
  const faults = [
    ...boundFaults(plan, placed),
    ...placed.flatMap((each) => beadFaults(each, plan, placed, ground)),
    ...nameFaults(placed),
    ...cycleFaults(placed),
    ...budgetFaults(plan, placed, { ground, author }),
    ...(author === "planner" ? sharingFaults(placed) : []),
    ...overlapFaults(placed, author === "person" ? "give it to one of them, or both share it" : ownerHint),
    ...skeletonFaults(plan, ground, author),
    ...placeFaults(plan, placed, ground),
  ];
  return faults.slice(0, planBounds.faultsMax);
}

function boundFaults(plan: Plan, placed: readonly Placed[]): readonly PlanFault[] {
  const { depthMax, fanOutMax, beadsMax } = planBounds;
  const faults: PlanFault[] = [];
  if (plan.beads.length === 0) faults.push({ at: ["beads"], why: "the plan has no bead: give at least one" });
  if (placed.length > beadsMax)
    faults.push({ at: ["beads"], why: `${placed.length} beads, at most ${beadsMax}: join small ones` });
  const isWide = (beads: readonly PlannedBead[]) => beads.length > fanOutMax;
  if (isWide(plan.beads))
    faults.push({
      at: ["beads"],
      why: `${plan.beads.length} beads side by side, at most ${fanOutMax}: group some`,
    });
  for (const { bead, at, depth } of placed) {
    if (depth === depthMax + 1)
      faults.push({ at, why: `${bead.name} lies ${depth} deep, at most ${depthMax}: lift it` });
    if (isWide(bead.beads))
      faults.push({
        at: [...at, "beads"],
        why: `${bead.beads.length} beads below ${bead.name}, at most ${fanOutMax}: group some`,
      });
  }
  return faults;
}

function beadFaults(
  { bead, at }: Placed,
  plan: Plan,
  placed: readonly Placed[],
  ground: Ground,
): readonly PlanFault[] {
  const faults: PlanFault[] = [];
  const say = (field: Place, why: string) => faults.push({ at: [...at, ...field], why });
  if (!/^[a-z0-9][a-z0-9-]{0,39}$/i.test(bead.name))
    say(["name"], `${JSON.stringify(bead.name)} is no name: letters, digits and "-", at most 40`);
  if (bead.intent.trim() === "") say(["intent"], `${bead.name} has no intent: say what it is for`);
  if (bead.owns.length + bead.shares.length === 0)
    say(["owns"], `${bead.name} owns nothing: name the files it writes`);
  if (bead.checks.length === 0)
    say(["checks"], `${bead.name} has no check: without one nothing it does can be proven`);
  bead.checks.forEach((check, index) => {
    if (check.trim() === "") say(["checks", index], "an empty check: give a command");
    const why = absentTest(check, bead, { plan, placed, ground });
    if (why !== undefined) say(["checks", index], why);
  });
  const { low, high } = bead.tokens;
  if (!(Number.isSafeInteger(low) && Number.isSafeInteger(high) && 0 < low && low <= high))
    say(["tokens"], `${low} to ${high} tokens is no range: whole numbers above 0, the lower first`);
  for (const field of ["owns", "shares"] as const)
    bead[field].forEach((written, index) => {
      const why = field === "shares" && written === "**" ? undefined : areaFault(written);
      if (why !== undefined) say([field, index], why);
      else if (ground.isProtected(written))
        say([field, index], `${written} is protected: no bead may write it without --allow-change`);
    });
  bead.reads.forEach((read, index) => {
    const why = areaFault(read);
    if (why !== undefined) say(["reads", index], why);
    else if (!exists(read, plan, placed, ground))
      say(["reads", index], `${read} is not in the repository, and neither the skeleton nor a bead makes it`);
  });
  bead.exports.forEach((symbol, index) => {
    const path = /^([^:]+):\s*\S/.exec(symbol)?.[1];
    if (path === undefined)
      say(["exports", index], `${JSON.stringify(symbol)} is no export: "path: symbol and type"`);
    else if (!areasOf(bead).some((area) => meet(area, path)))
      say(["exports", index], `${bead.name} exports from ${path}, which it does not own`);
  });
  return faults;
}

/** Everything a bead may write. */
export function areasOf({ owns, shares }: Pick<PlannedBead, "owns" | "shares">): readonly string[] {
  return [...owns, ...shares];
}

/** Undefined for a plain relative path or a folder with "/**". */
function areaFault(area: string): string | undefined {
  const path = area.replace(/\/\*\*$/, "");
  if (area === "**")
    return `"**" is everything: only a plan of one bead needs no owners, and that is no plan`;
  if (/[*?{}[\]]/.test(path))
    return `${JSON.stringify(area)}: name a file, or a folder as "folder/**"; other patterns cannot be kept apart`;
  const check = checkPath(path);
  if (check.kind === "safe" && check.path === path) return undefined;
  const why = check.kind === "safe" ? `write it as ${check.path}` : check.why;
  return `${JSON.stringify(area)} is no path inside the repository: ${why}`;
}

/** Whether two areas have a path in common. */
export function meet(left: string, right: string): boolean {
  if (left === "**" || right === "**") return true;
  const [one, other] = [left, right].map((area) => ({
    path: area.replace(/\/\*\*$/, ""),
    isFolder: area.endsWith("/**"),
  })) as [Area, Area];
  return one.path === other.path || holds(one, other) || holds(other, one);
}

interface Area {
  readonly path: string;
  readonly isFolder: boolean;
}

function holds(folder: Area, inner: Area): boolean {
  return folder.isFolder && inner.path.startsWith(`${folder.path}/`);
}

function exists(read: string, plan: Plan, placed: readonly Placed[], ground: Ground): boolean {
  return (
    ground.paths.some((path) => meet(read, path)) ||
    Object.keys(plan.skeleton).some((path) => meet(read, path)) ||
    placed.some(({ bead }) => areasOf(bead).some((area) => meet(area, read)))
  );
}

/** Why a check can never turn green: it names a test that nobody has or writes. What `cd` leads to is left to the run. */
function absentTest(
  check: string,
  bead: PlannedBead,
  {
    plan,
    placed,
    ground,
  }: { readonly plan: Plan; readonly placed: readonly Placed[]; readonly ground: Ground },
): string | undefined {
  if (/(?:^|[\s;&|(])cd\s/.test(check)) return undefined;
  const there = [...ground.paths, ...Object.keys(plan.skeleton)];
  const isWritten = (path: string, by: readonly PlannedBead[]) =>
    by.some((each) => areasOf(each).some((area) => meet(area, path)));
  for (const path of testsNamed(check)) {
    if (there.some((each) => each.includes(path)) || isWritten(path, standsOn(bead, placed))) continue;
    const writer = placed.find((each) => isWritten(path, [each.bead]))?.bead.name;
    return writer === undefined
      ? `the check of ${bead.name} names ${path}, which is neither in the repository nor in the skeleton, and no bead writes it: name a test that is there, or give it in the skeleton`
      : `the check of ${bead.name} names ${path}, which ${writer} writes: let ${bead.name} depend on it`;
  }
  return undefined;
}

/** A bead and all that it waits for, directly or through each other. */
export function standsOn(bead: PlannedBead, placed: readonly Placed[]): readonly PlannedBead[] {
  const found = [bead];
  for (const each of found)
    for (const name of waitsFor(each)) {
      const needed = placed.find((other) => other.bead.name === name)?.bead;
      if (needed !== undefined && !found.includes(needed)) found.push(needed);
    }
  return found;
}

/** What a bound is called in the plan file, and how it is written there. */
const bounds = [
  { field: "usd", bound: "usdMax", words: (value: number) => `${value} USD` },
  { field: "tokens", bound: "tokensMax", words: (value: number) => `${value} tokens` },
  { field: "minutes", bound: "wallMsMax", words: minuteWords },
] as const;

function minuteWords(ms: number): string {
  const minutes = round(ms / 60_000);
  return `${minutes} minute${minutes === 1 ? "" : "s"}`;
}

type Bound = (typeof bounds)[number]["bound"];

/** What is bounded together is no more than what it is a part of; minutes pass side by side, so none is longer. */
function budgetFaults(
  plan: Plan,
  placed: readonly Placed[],
  { ground, author }: { readonly ground: Ground; readonly author: "person" | "planner" },
): readonly PlanFault[] {
  const bounded = placed.filter(({ bead }) => bead.budget !== undefined);
  if (author === "planner")
    return bounded.map(({ bead, at }) => ({
      at: [...at, "budget"],
      why: `${bead.name} has a budget, which only a person gives: leave it out`,
    }));
  const whole = { name: "the goal", budget: ground.budget, beads: plan.beads, at: ["beads"] };
  const wholes = [whole, ...placed.map(({ bead, at }) => ({ ...bead, at: [...at, "budget"] }))];
  return bounds.flatMap(({ field, bound, words }) => [
    ...bounded.flatMap(({ bead, at }): readonly PlanFault[] => {
      const value = bead.budget?.[bound];
      if (value === undefined || (value > 0 && (field === "usd" || Number.isSafeInteger(value)))) return [];
      return [
        {
          at: [...at, "budget", field],
          why: `${words(value)} is no bound: give more than 0${field === "tokens" ? ", whole" : ""}`,
        },
      ];
    }),
    ...wholes.flatMap(({ name, budget, beads, at }): readonly PlanFault[] => {
      const value = budget?.[bound];
      const taken = beads.map((bead) => takenBy(bead, bound));
      const sum =
        field === "minutes" ? Math.max(0, ...taken) : round(taken.reduce((all, each) => all + each, 0));
      if (value === undefined || value <= 0 || sum <= value) return [];
      const below = name === whole.name ? "its beads" : "the beads below it";
      const theirs =
        field === "minutes" ? `one of ${below} has ${words(sum)}` : `${below} have ${words(sum)} together`;
      return [
        {
          at,
          why: `${name} has a budget of ${words(value)}, but ${theirs}: raise the one or lower the other`,
        },
      ];
    }),
  ]);
}

/** What a bead is bounded to, or where it is not, what those below it are together. */
function takenBy({ budget, beads }: PlannedBead, bound: Bound): number {
  const below = beads.map((each) => takenBy(each, bound));
  return (
    budget?.[bound] ??
    (bound === "wallMsMax" ? Math.max(0, ...below) : below.reduce((all, each) => all + each, 0))
  );
}

/** Sums of USD are compared in billionths. */
function round(value: number): number {
  return Math.round(value * 1e9) / 1e9;
}

function nameFaults(placed: readonly Placed[]): readonly PlanFault[] {
  const faults: PlanFault[] = [];
  const known = new Map<string, Placed>();
  for (const each of placed) {
    const twin = known.get(each.bead.name);
    if (twin === undefined) known.set(each.bead.name, each);
    else faults.push({ at: [...each.at, "name"], why: `two beads are called ${each.bead.name}: rename one` });
  }
  for (const { bead, at } of placed)
    bead.dependsOn.forEach((name, index) => {
      const place = [...at, "dependsOn", index];
      if (!known.has(name)) {
        const near = [...known.keys()].find((other) => other.toLowerCase() === name.toLowerCase());
        const hint = near === undefined ? "" : `; is ${near} meant?`;
        faults.push({
          at: place,
          why: `${bead.name} depends on ${name}, which is no bead of the plan${hint}`,
        });
      }
    });
  return faults;
}

/** One fault for each bead that can never start, naming the whole circle, at the place that closes it. */
function cycleFaults(placed: readonly Placed[]): readonly PlanFault[] {
  const byName = new Map(placed.map((each) => [each.bead.name, each]));
  const state = new Map<string, "open" | "done">();
  const faults: PlanFault[] = [];
  const visit = (name: string, way: readonly string[]) => {
    const each = byName.get(name);
    if (each === undefined || state.get(name) === "done") return;
    if (state.get(name) === "open") {
      const circle = [...way.slice(way.indexOf(name)), name];
      const last = byName.get(way.at(-1) ?? name);
      const index = last?.bead.dependsOn.indexOf(name) ?? -1;
      const at = last === undefined ? each.at : index < 0 ? last.at : [...last.at, "dependsOn", index];
      faults.push({ at, why: `beads wait for each other: ${circle.join(" -> ")}; take one arrow out` });
      return;
    }
    state.set(name, "open");
    for (const next of waitsFor(each.bead)) visit(next, [...way, name]);
    state.set(name, "done");
  };
  for (const { bead } of placed) visit(bead.name, []);
  return faults;
}

const ownerHint = "give it to one of them";

function sharingFaults(placed: readonly Placed[]): readonly PlanFault[] {
  return placed
    .filter(({ bead }) => bead.shares.length > 0)
    .map(({ bead, at }) => ({
      at: [...at, "shares"],
      why: `${bead.name} shares ${bead.shares.join(", ")}: every file has one owner; ${ownerHint}, and let the others depend on it`,
    }));
}

/** `how`: what to do about it. */
function overlapFaults(placed: readonly Placed[], how: string): readonly PlanFault[] {
  const areas = placed.flatMap(({ bead, at }) =>
    (["owns", "shares"] as const).flatMap((field) =>
      bead[field].map((area, index) => ({ area, field, name: bead.name, at: [...at, field, index] })),
    ),
  );
  return areas.flatMap(({ area, field, name, at }, position) => {
    const other = areas
      .slice(0, position)
      .find(
        (each) => each.name !== name && (field === "owns" || each.field === "owns") && meet(each.area, area),
      );
    if (other === undefined) return [];
    const what = other.area === area ? area : `${area} (in ${other.name}: ${other.area})`;
    return [{ at, why: `${other.name} and ${name} both own ${what}: ${how}` }];
  });
}

/** A skeleton is judged by nobody before parts stand on it. What a person's has that runs by itself is asked about at the end. */
function skeletonFaults(plan: Plan, ground: Ground, author: "person" | "planner"): readonly PlanFault[] {
  const known = new Set(ground.paths);
  return Object.keys(plan.skeleton).flatMap((path): readonly PlanFault[] => {
    const at = ["skeleton", path];
    const why = path.endsWith("/**") ? `${path} is a folder: name each file` : areaFault(path);
    if (why !== undefined) return [{ at, why }];
    if (known.has(path))
      return [
        { at, why: `${path} exists already: the skeleton only adds files, a bead may change this one` },
      ];
    if (ground.isProtected(path))
      return [{ at, why: `${path} is protected: the skeleton may not add it without --allow-change` }];
    const asked = author === "planner" ? ground.whyAsked(path) : undefined;
    return asked === undefined
      ? []
      : [{ at, why: `${path} needs the user's word (${asked}): leave it out of the skeleton` }];
  });
}

/** A file where another needs a folder, or a folder where a skeleton's file is to be: nobody could write it. */
function placeFaults(plan: Plan, placed: readonly Placed[], ground: Ground): readonly PlanFault[] {
  const skeleton = Object.keys(plan.skeleton);
  const files = new Set([...ground.paths, ...skeleton]);
  const folders = new Set([...files].flatMap(foldersAbove));
  const written = placed.flatMap(({ bead, at }) =>
    (["owns", "shares"] as const).flatMap((field) =>
      bead[field].flatMap((area, index) =>
        area === "**" ? [] : [{ area, at: [...at, field, index], mine: new Set(areasOf(bead)) }],
      ),
    ),
  );
  const mine = new Set<string>();
  const wanted = [...skeleton.map((area) => ({ area, at: ["skeleton", area] as Place, mine })), ...written];
  return wanted.flatMap(({ area, at, mine }): readonly PlanFault[] => {
    const path = area.replace(/\/\*\*$/, "");
    const file = [...foldersAbove(path), ...(path === area ? [] : [path])].find(
      // Who may delete the file may put a folder in its place.
      (each) => files.has(each) && !mine.has(each),
    );
    if (file !== undefined) return [{ at, why: `${area} cannot be: ${file} is a file, not a folder` }];
    const isFolder = path === area && folders.has(path);
    return isFolder ? [{ at, why: `${area} is a folder: name a file in it, or "${area}/**" as owned` }] : [];
  });
}

function foldersAbove(path: string): readonly string[] {
  const parts = path.split("/");
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join("/"));
}

/** How many beads, itself included, come one after the other behind each; circles count as nothing more. */
export function chainLengths(plan: Plan): ReadonlyMap<string, number> {
  const placed = placedBeads(plan);
  const behind = new Map<string, string[]>();
  for (const { bead } of placed)
    for (const name of waitsFor(bead)) behind.set(name, [...(behind.get(name) ?? []), bead.name]);
  const lengths = new Map<string, number>();
  const open = new Set<string>();
  const lengthOf = (name: string): number => {
    const known = lengths.get(name);
    if (known !== undefined) return known;
    if (open.has(name)) return 0;
    open.add(name);
    const length = 1 + Math.max(0, ...(behind.get(name) ?? []).map(lengthOf));
    open.delete(name);
    lengths.set(name, length);
    return length;
  };
  for (const { bead } of placed) lengthOf(bead.name);
  return lengths;
}
