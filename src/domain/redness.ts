/**
 * Whether tests that a model wrote are red on the ground for the right reason: what the goal asks for is not there.
 *
 * 1. Red counts where an assertion failed or something of the goal's own is missing; what surely is the suite's own fault
 *    (it does not parse, a name it never defined, a package nobody installed) makes it faulty, however red it is.
 * 2. A suite without a red test shows nothing; what is skipped or does not end decides nothing.
 * 3. Runners' words are read, never believed: they refuse a suite, they prove none.
 */
import { type Fault, faultsOf } from "./failure.ts";
import { oneLine } from "./fence.ts";
import { framesIn } from "./frame.ts";
import { failedOf, type GateRun, passedOf, type TestStatus, testsOf } from "./gate.ts";
import { joined, nameOf } from "./path.ts";
import { isTestFile } from "./protected.ts";

/** What the suite stands on. */
export interface Ground {
  /** Tracked paths, without the suite's own. */
  readonly paths: readonly string[];
  /** The suite's own. */
  readonly tests: readonly string[];
  readonly goal: string;
}

/** `faults`: one line each, at least one, at most 12. A file that cannot be loaded yet counts as one red test. */
export type Redness =
  | { readonly kind: "red"; readonly red: number; readonly green: number }
  | { readonly kind: "faulty"; readonly faults: readonly string[] };

const faultsMax = 12;

/** What a run of the suite before any work says of it. */
export function rednessOf(run: GateRun, ground: Ground): Redness {
  const faulty = (...faults: readonly string[]): Redness => ({
    kind: "faulty",
    faults: [...new Set(faults)].slice(0, faultsMax).map((line) => oneLine(line, 400)),
  });
  if (run.kind === "could-not-run") return faulty(`they cannot be run: ${run.why}`);
  if (run.limit === "wall") return faulty("they do not end in time: nothing in them may wait");
  if (run.limit !== undefined) return faulty(`they hit the bound of ${run.limit}`);
  const tests = testsOf(run);
  const found = faultsOf(run).flatMap((fault) => faultIn(fault, ground) ?? []);
  if (found.length > 0) return faulty(...found);
  if (run.kind === "no-report") return faulty(`the run left no report: ${run.why}`);
  if (tests.length === 0) return faulty("no test is found in them");
  const skipped = tests.filter(({ status }) => status === "skipped").map(({ id }) => id);
  if (skipped.length > 0) return faulty(`skipped, so it decides nothing: ${skipped.slice(0, 5).join(", ")}`);
  if (failedOf(run) === 0)
    return faulty(
      "every test passes before the work is done, so none shows that it was: test what the goal asks for and the repository does not do yet",
    );
  return { kind: "red", red: failedOf(run), green: passedOf(run) };
}

/** Tests that did not do the same both times, a line each; none is what should be. */
export function unsteady(first: GateRun, second: GateRun): readonly string[] {
  const [before, after] = [statusesOf(first), statusesOf(second)];
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((id) => before.get(id) !== after.get(id))
    .map((id) => `not the same twice: ${id} ${before.get(id) ?? "absent"}, then ${after.get(id) ?? "absent"}`)
    .slice(0, faultsMax);
}

function statusesOf(run: GateRun): ReadonlyMap<string, TestStatus> {
  return new Map(testsOf(run).map(({ id, status }) => [id, status]));
}

/** What is the suite's own fault in this failure; undefined where the failure is as it should be. */
function faultIn(fault: Fault, ground: Ground): string | undefined {
  const { test, text, failureClass } = fault;
  const { essence } = fault.complaint;
  const where = test?.file ?? test?.id ?? "the suite";
  if (failureClass === "timeout" || failureClass === "limit") return `${where}: ${essence}`;
  if (failureClass === "import") {
    const why = foreign(essence, test?.file, ground);
    return why === undefined ? undefined : `${where}: ${why}`;
  }
  const isOwn = isIn(text, ground);
  if (failureClass === "parse" && isOwn) return `${where} does not parse: ${essence}`;
  if (/\bfixture '[^']{1,100}' not found/.test(text.slice(0, 4_000)))
    return `${where}: ${/fixture '[^']{1,100}' not found/.exec(text)?.[0]}`;
  if (/^(?:NameError|UnboundLocalError|ReferenceError)\b/.test(essence) && isOwn)
    return `${test?.id ?? where}: ${essence}: the tests use a name they neither define nor import`;
  const module = /^AttributeError: (?:partially initialized )?module '([\w.]{1,200})' has no attribute/.exec(
    essence,
  )?.[1];
  if (module !== undefined && !isPlace(module, ground)) return `${test?.id ?? where}: ${essence}`;
  return undefined;
}

/** Whether the failure comes out of the suite's own lines rather than out of what it calls; in doubt it does. */
function isIn(text: string, { paths, tests }: Ground): boolean {
  const last = framesIn(text, new Set([...paths, ...tests])).at(-1);
  return last === undefined || tests.includes(last.path);
}

/** Why what could not be imported is nothing that the work could bring; undefined where it is. */
function foreign(essence: string, file: string | undefined, ground: Ground): string | undefined {
  const missing = /No module named '([\w.]{1,200})'/.exec(essence)?.[1];
  if (missing !== undefined) return foreignModule(missing, ground);
  const lacking =
    /cannot import name '(\w{1,200})' from (?:partially initialized module )?'([\w.]{1,200})'/.exec(essence);
  if (lacking !== null) {
    const [, name, module = ""] = lacking;
    return isPlace(module, ground)
      ? undefined
      : `${module}, which is none of the repository's, has no ${name}`;
  }
  const specifier =
    /requested module '([^']{1,400})' (?:is a CommonJS module|does not provide)/.exec(essence)?.[1] ??
    /Cannot find (?:module|package) '([^']{1,400})'/.exec(essence)?.[1] ??
    /Failed to (?:resolve import|load url) "?([^"\s]{1,400})"?/.exec(essence)?.[1];
  return specifier === undefined ? essence : foreignSpecifier(specifier, { essence, file, ground });
}

/** Python says the first name on the way that is not there: "shop" of "shop.cart", or "shop.cart" where shop is. */
function foreignModule(module: string, { paths, tests, goal }: Ground): string | undefined {
  const path = module.replaceAll(".", "/");
  const ends = [`${path}.py`, `${path}/__init__.py`];
  const there = paths.find((each) => ends.some((end) => each === end || each.endsWith(`/${end}`)));
  if (there !== undefined)
    return `${there} is there, but cannot be imported as ${module}: import it as the repository's own code does`;
  if (isTestFile(`${path}.py`) && !tests.includes(`${path}.py`))
    return `${path}.py is not among the files you gave`;
  const [first = ""] = module.split(".");
  const isNamed = says(goal, first);
  const isFolder = paths.some((each) => each.startsWith(`${first}/`) || each.includes(`/${first}/`));
  return isNamed || isFolder
    ? undefined
    : `there is no module ${module}, and neither the goal nor the repository speaks of one: import what the goal asks for from the file it names, and nothing that is not installed`;
}

/** Whether a Python module is the repository's own. */
function isPlace(module: string, { paths }: Ground): boolean {
  const path = module.replaceAll(".", "/");
  return paths.some((each) => [`${path}.py`, `${path}/`].some((end) => `/${each}`.includes(`/${end}`)));
}

/** A file that the work may bring, by what Node, vite or jest name it; anything else is a package, or a file of the suite. */
function foreignSpecifier(
  specifier: string,
  {
    essence,
    file,
    ground,
  }: { readonly essence: string; readonly file: string | undefined; readonly ground: Ground },
): string | undefined {
  if (!/^(?:\.{1,2}\/|\/|file:\/\/)/.test(specifier))
    return `${specifier} does not give what is imported of it, and it is no file of the repository: use the named runner, the standard library and what is installed`;
  const path = placeOf(specifier, essence, file);
  if (isTestFile(path)) return `${path} is not among the files you gave`;
  const alike = ground.paths.find((each) => each !== path && nameOf(each) === nameOf(path));
  const isMeant = alike === undefined || /^index\./.test(nameOf(path)) || says(ground.goal, path);
  return isMeant ? undefined : `${specifier} leads to ${path}, which is not there; ${alike} is`;
}

/** Relative to the top of the repository, as far as the words tell where that is. */
function placeOf(specifier: string, essence: string, file = ""): string {
  const folder = file.slice(0, Math.max(0, file.lastIndexOf("/")));
  if (specifier.startsWith(".")) return joined(folder, specifier);
  const plain = specifier.replace(/^file:\/\//, "");
  const from = / imported from (\S{1,400})/.exec(essence)?.[1]?.replace(/^file:\/\//, "") ?? "";
  const top = file !== "" && from.endsWith(`/${file}`) ? from.slice(0, -file.length) : "/";
  return plain.startsWith(top) ? plain.slice(top.length) : plain.slice(1);
}

/** Whether a text has this name or path as a word of its own. */
function says(text: string, word: string): boolean {
  const escaped = word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`(?<![\\w/-])${escaped}(?![\\w/-])`).test(text);
}
