/**
 * Where the values come from that a model's tests ask for: from the tests, never from what they judge. A coder who brings
 * the expected values along has met any goal.
 *
 * 1. Of the project a suite uses what the goal says and what is there on base; no other name, however it is reached.
 *    Where the goal names nothing that base lacks, a name counts as said when all its words are the goal's: somebody has
 *    to choose it, and words like "expected", "slow" and "check" are in no such goal.
 * 2. It reads no file but what base has and is no code, and what it made in a temporary folder.
 * 3. At least one assertion holds a call of the project against a value that comes from no call of it, or asks for a failure.
 *    Truth alone counts where it is asked both ways, as of a predicate.
 * 4. In doubt for the suite: this is a reader's rule for what is plainly so. Mutants ask the rest.
 */

/** One name of a module; `undefined` is what it gives as a whole or by default. Lines count from 1. */
export interface Use {
  readonly line: number;
  /** As it is written: "shop.cart", "../src/cart.js". */
  readonly module: string;
  readonly name: string | undefined;
  /** What the suite calls it. */
  readonly local: string;
}

/** What an expression is made of, through everything that the suite defines itself. */
export interface Side {
  /** Names that the suite does not define: what it imports, builtins. */
  readonly roots: readonly string[];
  /** Those that are called. */
  readonly called: readonly string[];
  /** Parameters that nobody in the suite gives a value: a runner's fixtures. */
  readonly given: readonly string[];
  readonly literals: number;
}

/** `truth`: asked to be true, or with `isTrue` false to be false. */
export type Assertion =
  | { readonly kind: "compared"; readonly sides: readonly [Side, Side] }
  | { readonly kind: "fails"; readonly side: Side }
  | { readonly kind: "truth"; readonly side: Side; readonly isTrue: boolean };

/** A call that reads a file or looks into a folder. */
export interface Reading {
  readonly line: number;
  readonly text: string;
  readonly side: Side;
  /** Every name on the way, also of attributes. */
  readonly words: readonly string[];
  /** Texts on the way that look like a path. */
  readonly paths: readonly string[];
}

/** What a reader of the language finds in one test file. */
export interface SuiteText {
  readonly uses: readonly Use[];
  /** Attributes of what is imported, by `local`, that are neither called nor given a value. */
  readonly attributes: readonly { readonly line: number; readonly local: string; readonly name: string }[];
  readonly readings: readonly Reading[];
  readonly assertions: readonly Assertion[];
  /** Looks into the source under test, or takes names that nobody can read: a sentence each. */
  readonly odd: readonly { readonly line: number; readonly why: string }[];
  /** It goes into another folder while it runs. */
  readonly isMoving: boolean;
}

/** `unreadable`: it does not parse, or is too much of a tangle. Undefined for a language that is not known. */
export type SuiteSeen = SuiteText | "unreadable" | undefined;

interface Base {
  readonly goal: string;
  /** Tracked paths, without the suite's own, and the texts that are known. */
  readonly paths: readonly string[];
  readonly texts: readonly string[];
}

/** What is wrong with where a suite's values come from, a line each; none is what should be. */
export function provenanceFaults(suite: ReadonlyMap<string, SuiteSeen>, base: Base): readonly string[] {
  const said = sayingOf(base);
  const known = [...suite].flatMap(([path, text]) => (text === undefined ? [] : [{ path, text }]));
  const faults = known.flatMap(({ path, text }) => {
    if (text === "unreadable")
      return [`${path}: nobody can say where its values come from: write it plainer`];
    return [...usesOf(text, base, said), ...readingsOf(text, base), ...text.odd].map(
      ({ line, why }) => `${path}:${line}: ${why}`,
    );
  });
  const texts = known.flatMap(({ text }) => (text === "unreadable" ? [] : [text]));
  if (faults.length > 0 || texts.length === 0 || isValued(texts, base)) return faults;
  return [
    "no assertion compares a call of what the goal names with a value written in the tests (or asks for an error): write results out, as in assert area(2, 3) == 6",
  ];
}

interface Found {
  readonly line: number;
  readonly why: string;
}

function usesOf(text: SuiteText, base: Base, said: (name: string) => boolean): readonly Found[] {
  const own = text.uses.filter(({ module }) => isOwn(module, base));
  const locals = new Set(own.map(({ local }) => local));
  const unsaid = (name: string) =>
    `${name} is neither in the goal's words nor in the repository: what the coder brings along must not say what is right`;
  const whole = own.filter(
    ({ module, name }) => name === undefined && isData(module) && !isThere(module, base),
  );
  return [
    ...whole.map(({ line, module }) => ({
      line,
      why: `imports ${module}, which is not there: write the values out`,
    })),
    ...own
      .filter(({ name }) => name === "*")
      .map(({ line, module }) => ({ line, why: `imports all of ${module}: import by name` })),
    ...[...own, ...text.attributes.filter(({ local }) => locals.has(local))].flatMap(({ line, name }) =>
      name === undefined || name === "*" || said(name) ? [] : [{ line, why: unsaid(name) }],
    ),
  ];
}

/** Whether a name of the project may be used: it is on base, or the goal says it. */
function sayingOf({ goal, paths, texts }: Base): (name: string) => boolean {
  const isOnBase = (name: string) =>
    paths.some((path) => path.split(/[/.]/).includes(name)) ||
    texts.some(
      (text) => text.includes(name) && new RegExp(`(?<![\\w$])${escaped(name)}(?![\\w$])`).test(text),
    );
  const words = goal.match(/[\p{L}\p{N}_$]+/gu) ?? [];
  const spoken = new Set(
    words.flatMap((_, at) => [1, 2, 3, 4].map((count) => plain(words.slice(at, at + count).join("")))),
  );
  const names = identifiersIn(goal).filter((name) => !isOnBase(name));
  const stems = new Set(words.flatMap((word) => parts(word)).map(stem));
  return (name) =>
    /^__\w+__$|^default$/.test(name) ||
    spoken.has(plain(name)) ||
    isOnBase(name) ||
    (names.length === 0 && parts(name).every((part) => joints.has(part) || stems.has(stem(part))));
}

/** What names of functions are put together with, and says nothing. */
const joints = new Set("get set is has to from of for by in the a an make compute calculate find".split(" "));

/** Names as code has them: in backticks, before a parenthesis, with an underscore or a capital inside. */
function identifiersIn(goal: string): readonly string[] {
  const text = goal.replace(/[\w./-]+\.(?:py|[cm]?[jt]sx?|json|md|toml|txt)\b/g, " ");
  return [
    ...[...text.matchAll(/`([A-Za-z_$][\w$.]*)/g)].map(([, name = ""]) => name.split(".").at(-1) ?? ""),
    ...[...text.matchAll(/([A-Za-z_$][\w$]*)\(/g)].map(([, name = ""]) => name),
    ...(text.match(/\b[A-Za-z]\w*_\w+\b|\b[a-z]+[A-Z]\w*\b|\b[A-Z][a-z]+[A-Z]\w*\b/g) ?? []),
  ];
}

function plain(name: string): string {
  return name.replace(/[_$]/g, "").toLowerCase();
}

/** "wordCount", "word_count": its words in small letters. */
function parts(name: string): readonly string[] {
  return name
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .toLowerCase()
    .split(/[_$]+/)
    .filter((part) => part !== "");
}

/** "doubles", "doubled" and "double" are one word. */
function stem(word: string): string {
  return word.length <= 4 ? word.replace(/s$/, "") : word.replace(/(?:ing|ed|es|s|e)$/, "").slice(0, 6);
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

const library = new Set(
  `abc argparse array ast asyncio base64 binascii bisect builtins calendar cmath cmd codecs collections colorsys concurrent
  configparser contextlib copy csv ctypes dataclasses datetime decimal difflib dis doctest email enum errno fnmatch fractions
  functools gc getpass gettext glob graphlib gzip hashlib heapq hmac html http importlib inspect io ipaddress itertools json
  keyword linecache locale logging lzma math mimetypes multiprocessing numbers operator os pathlib pickle pkgutil platform
  plistlib pprint queue random re reprlib runpy sched secrets select selectors shelve shlex shutil signal smtplib socket
  sqlite3 ssl stat statistics string stringprep struct subprocess sys sysconfig tarfile tempfile textwrap threading time
  timeit tokenize tomllib traceback tracemalloc types typing unicodedata unittest urllib uuid warnings wave weakref xml
  zipfile zipimport zlib zoneinfo pytest`.split(/\s+/),
);

/** Whether a module is the project's, by what base has and what the goal says; what is installed is not. */
function isOwn(module: string, { goal, paths }: Base): boolean {
  if (/^[./#~]|^@\/|^file:/.test(module)) return true;
  if (!/^[\w.]+$/.test(module)) return false;
  const path = module.replaceAll(".", "/");
  if (paths.some((each) => [`${path}.py`, `${path}/`].some((end) => `/${each}`.includes(`/${end}`))))
    return true;
  const [first = ""] = module.split(".");
  const isBeside = paths.some((each) => `/${each}`.includes(`/${first}/`));
  const isSaid = new RegExp(`(?<![\\w])${escaped(first)}(?![\\w])`, "i").test(goal);
  return isBeside || (isSaid && !library.has(first));
}

function isData(module: string): boolean {
  return /\?|\.(?!(?:py|[cm]?[jt]sx?)$)[A-Za-z]{1,5}$/.test(module) && module.includes("/");
}

/** Whether base has a file that a path written in a test can mean. */
function isThere(path: string, { paths }: Base): boolean {
  const end = path.replace(/^(?:\.{0,2}\/)+/, "");
  return (
    end !== "" && paths.some((each) => each === end || each.endsWith(`/${end}`) || each.startsWith(`${end}/`))
  );
}

const temporary =
  /^(?:tmp_?path\w*|tmp_?dir\w*|te?mp\w*|mkd?s?temp\w*|TemporaryDirectory|NamedTemporaryFile|isolated_filesystem)$/i;

function readingsOf(text: SuiteText, base: Base): readonly Found[] {
  const own = ownLocals(text, base);
  return text.readings.flatMap(({ line, text: call, side, words, paths }) => {
    const source = paths.find((path) => /\.(?:py|[cm]?[jt]sx?)$/.test(path) && isThere(path, base));
    const isMade = words.some((word) => temporary.test(word)) || side.given.length > 0;
    const isFound = paths.length > 0 && paths.every((path) => isThere(path, base));
    const isAnswer = side.called.some((name) => own.has(name));
    if (source !== undefined && !isMade)
      return [{ line, why: `${call} reads source text: ask what the code does, not how it is written` }];
    return isMade || isFound || isAnswer || (text.isMoving && paths.length > 0)
      ? []
      : [
          {
            line,
            why: `${call} reads what base does not have and no test made in a temporary folder: write the values out`,
          },
        ];
  });
}

function ownLocals({ uses }: SuiteText, base: Base): ReadonlySet<string> {
  return new Set(uses.filter(({ module }) => isOwn(module, base)).map(({ local }) => local));
}

/** Programs and servers that a test asks without importing them. */
const asks = new Set(
  "subprocess spawnSync spawn exec execSync execFile execFileSync fetch urlopen requests redirect_stdout runpy fork".split(
    " ",
  ),
);

/** Law 3. */
function isValued(texts: readonly SuiteText[], base: Base): boolean {
  const truths = new Set<boolean>();
  for (const text of texts) {
    const own = ownLocals(text, base);
    const isAsked = ({ called, roots, given }: Side) =>
      called.some((name) => own.has(name)) || roots.some((name) => asks.has(name)) || given.length > 0;
    const isPlain = ({ roots, given, literals }: Side) =>
      literals > 0 && given.length === 0 && !roots.some((name) => own.has(name) || asks.has(name));
    for (const assertion of text.assertions) {
      if (assertion.kind === "truth" && isAsked(assertion.side)) truths.add(assertion.isTrue);
      if (assertion.kind === "fails" && isAsked(assertion.side)) return true;
      if (assertion.kind !== "compared") continue;
      const [left, right] = assertion.sides;
      if ((isAsked(left) && isPlain(right)) || (isAsked(right) && isPlain(left))) return true;
    }
  }
  return truths.size === 2;
}
