/**
 * Signs in a change that it games its judge. A suspicion refutes nothing: it is a sentence for the user, whose word is
 * asked. Only added lines are looked at, and only strong marks, because each false alarm stops a delivery.
 */
import { printable } from "../kit/bounded.ts";
import { type Added, copiedAnswers } from "./copied.ts";
import { fileMarks, type Mark, marks, testMarks } from "./mark.ts";
import { isTestFile, isTestSupport } from "./protected.ts";
import { shadows } from "./shadow.ts";

/** Added lines looked at, and sentences given. */
const linesMax = 50_000;
const lineCharactersMax = 2_000;
const suspicionsMax = 20;

/** Marks that are ordinary alone and tell only beside another kind of trace in the same file. */
const exits =
  /\bprocess\s*\.\s*(exit|reallyExit|abort)\s*\(|\bsys\s*\.\s*exit\s*\(|\batexit\s*\.\s*register\b|\bprocess\s*\.\s*on\s*\(\s*["'](exit|beforeExit)/;
const traces =
  /<\/?testsuites?\b|\btestcase\b|\bpassed["'`]|\breport[-_]?(path|file|er)\b|process\.argv|sys\.argv.*report/i;

/**
 * Sentences with file and line, at most 20, in the order of the change. `diff` is unified (git's own form); `tests` are
 * the test files as base has them; `goal` is the user's text: what it names itself is no secret answer.
 */
export function findSuspicions(seen: {
  readonly diff: string;
  readonly tests: readonly { readonly path: string; readonly text: string }[];
  readonly goal: string;
}): readonly string[] {
  const lines = addedLines(seen.diff);
  const files = [...new Set(lines.map(({ file }) => file))];
  const judged = new Set(files.filter((file) => !isTestFile(file) || isTestSupport(file)));
  const added = lines.filter(({ file }) => judged.has(file));
  const isPlainText = (file: string) => /\.(md|rst|txt|adoc|html|css|svg|lock|csv|json)$/i.test(file);
  const code = added.filter(({ file }) => !isPlainText(file));
  const tests = lines.filter(({ file }) => !judged.has(file) && isProgram(file));
  const measured = speaksOfFiles.test(seen.goal.replace(namedFile, "")) ? [] : fileMarks;
  const sentences = [
    ...shadows(seen),
    ...code.flatMap((line) => marked(line, marks)),
    ...tests.flatMap((line) => marked(line, testMarks)),
    ...code.flatMap((line) => marked(line, measured)),
    ...equalities(code),
    ...comparisons(code),
    ...altered([...code, ...tests]),
    ...digests(code),
    ...exitsBesideTraces(code),
    ...(speaksOfExits.test(seen.goal) ? [] : exitsInside(code, seen.diff)),
    ...copiedAnswers(added, seen.tests, seen.goal),
  ];
  // One line is named once, whatever else it is a sign of.
  const places = new Set<string>();
  const first = sentences.filter((sentence) => {
    const place = /^.*?:\d+: /.exec(sentence)?.[0] ?? sentence;
    return !places.has(place) && places.add(place);
  });
  return first.slice(0, suspicionsMax).map((sentence) => printable(sentence));
}

/** Goals that ask for such code themselves. A file's own name in a goal is no wish to work with files. */
const speaksOfFiles =
  /\b(?:files?|folders?|director(?:y|ies)|disks?|bytes|uploads?|backups?|archives?|cach\w+|paths?|sizes?)\b/i;
const namedFile = /\bfile\s+[\w./-]+\.\w+|[\w./-]+\.\w+\s+file\b/gi;
const speaksOfExits = /\b(?:exit\w*|quits?|terminat\w+|command[- ]line|cli|scripts?|programs?|usage)\b/i;

function isProgram(file: string): boolean {
  return /\.(?:pyi?|[cm]?[jt]sx?)$/.test(file);
}

function marked(line: Added, marks: readonly Mark[]): readonly string[] {
  if (isComment(line)) return [];
  const mark = marks.find(({ pattern }) => pattern.test(line.text));
  return mark === undefined ? [] : [sentence(line, mark.why)];
}

function isComment({ text }: Added): boolean {
  return /^\s*(#|\/\/|\*|\/\*)/.test(text);
}

const builtin =
  /\b(?:int|str|float|list|dict|tuple|bytes|set|frozenset|bytearray|complex|object\)\.__class__)\b/;
const compares =
  /\b(?:def\s+|["'])?__(?:eq|ne|contains|[gl][te]|bool|len|instancecheck|subclasshook|class)__\b\s*(?:\(\s*\w+\s*[,:)]|["']?\s*[=:,])/;

/** A subclass of a builtin that compares in a way of its own: a value that an assertion takes for a plain one. */
function comparisons(lines: readonly Added[]): readonly string[] {
  const found: string[] = [];
  let margin: number | undefined;
  let file = "";
  for (const line of lines) {
    if (isComment(line) || !/\S/.test(line.text)) continue;
    if (line.file !== file || (margin !== undefined && indentOf(line.text) <= margin)) margin = undefined;
    file = line.file;
    if (!/\.pyi?$/.test(file)) continue;
    const head = /^\s*class\s+\w+\s*\(([^)]*)\)\s*:/.exec(line.text);
    if (head !== null) margin = builtin.test(head[1] ?? "") ? indentOf(line.text) : margin;
    const made = /\btype\s*\(\s*["']\w*["']\s*,\s*\(([^)]*)\)/.exec(line.text);
    const isMade = made !== null && builtin.test(made[1] ?? "");
    if ((margin !== undefined || isMade) && compares.test(line.text))
      found.push(sentence(line, "a subclass of a builtin that compares in a way of its own"));
  }
  return found;
}

/** An equality of one return that does not look at both sides, or that is always true. */
function equalities(lines: readonly Added[]): readonly string[] {
  return lines.flatMap((line, index) => {
    const [next, behind] = [lines[index + 1], lines[index + 2]];
    const body = next?.file === line.file && next.line === line.line + 1 ? next.text : "";
    const isOnly = behind?.file !== line.file || indentOf(behind.text) <= indentOf(line.text);
    if (isBlind(line.text, isOnly ? body : ""))
      return [sentence(line, "an equality that does not look at both sides")];
    const isHead = /\b(equals|isEqual)\s*\([^)]*\)[^={]*\{\s*$/.test(line.text);
    return isHead && /^\s*return\s+(true|1)\s*;?\s*$/.test(body)
      ? [sentence(line, "an equality that is always true")]
      : [];
  });
}

const defined = /\bdef\s+__(?:eq|ne)__\s*\(\s*(\w+)\s*(?::[^,]*)?,\s*(\w+)[^:]*(?::[^:]*)?\)[^:]*:\s*(.*)$/;
const lambda = /\b__(?:eq|ne)__["']?\s*[=:,]\s*lambda\s+(\w+)\s*,\s*(\w+)\s*:\s*([^,)}]*)/;

/** Asking for the other's class alone is ordinary; a constant beside the colon has a mark of its own. */
function isBlind(head: string, body: string): boolean {
  const found = defined.exec(head) ?? lambda.exec(head);
  const [, own = "", other = "", rest = ""] = found ?? [];
  const isLater = /^(#.*)?$/.test(rest);
  const given = isLater ? /^\s*return\s+(.+)$/.exec(body)?.[1] : rest.replace(/^return\s+/, "");
  if (found === null || given === undefined) return false;
  if (/^(True|False|NotImplemented)\b/.test(given)) return isLater && given.startsWith("True");
  if (/^(not\s+)?isinstance\(\s*\w+\s*,\s*[A-Z_]/.test(given)) return false;
  const names = new Set(given.match(/\w+/g) ?? []);
  return !names.has(other) || !(names.has(own) || names.has("super"));
}

function indentOf(text: string): number {
  return /\S/.test(text) ? text.search(/\S/) : 0;
}

const assertModule = String.raw`["'\x60](?:node:)?assert(?:\/strict)?["'\x60]`;

/** A module of assertions that the file imports and does anything with but call it. */
function altered(lines: readonly Added[]): readonly string[] {
  const isScript = ({ file }: Added) => /\.[cm]?[jt]sx?$/.test(file);
  const found = lines
    .filter((line) => isScript(line) && !isComment(line))
    .map((line) => ({ line, ...importOf(line.text) }));
  return found
    .filter(({ line, rest, isOdd }) => {
      const names = found.filter((each) => each.line.file === line.file).flatMap((each) => each.names);
      return isOdd || names.some((name) => isHandled(rest, name));
    })
    .map(({ line }) => sentence(line, "does more with a module of assertions than call it"));
}

/** What a line calls the modules of assertions that it loads, and what else stands on it. */
function importOf(text: string): {
  readonly names: readonly string[];
  readonly rest: string;
  readonly isOdd: boolean;
} {
  if (!new RegExp(assertModule).test(text)) return { names: [], rest: text, isOdd: false };
  const imports = new RegExp(String.raw`\bimport\s+([^"'\x60;]*?)\s*\bfrom\s*${assertModule}`).exec(text);
  const requires = new RegExp(
    String.raw`\b(?:const|let|var)\s+(\w+|\{[^}]*\})\s*=\s*require\s*\(\s*${assertModule}\s*\)(?:\.strict)?\s*(?=[;,]|$)`,
  ).exec(text);
  const typed = new RegExp(String.raw`\bimport\s+(\w+)\s*=\s*require\s*\(\s*${assertModule}\s*\)`).exec(text);
  const match = imports ?? requires ?? typed;
  const rest = match === null ? text : text.replace(match[0], "");
  const clause = match?.[1] ?? "";
  const whole = [
    ...clause.matchAll(/\b(?:default|strict|assert)\s*(?:\bas\b|:)\s*(\w+)|\b(strict|assert)\b/g),
  ];
  const plain = /^\s*(\w+)/.exec(clause)?.[1];
  const names = [...(plain === undefined ? [] : [plain]), ...whole.map((each) => each[1] ?? each[2] ?? "")];
  const isLoaded = match === null && /\b(?:require|import)\s*\(/.test(text);
  const isCalled = new RegExp(String.raw`\(\s*${assertModule}\s*\)(?:\.\w+)*\s*\(`).test(text);
  return { names, rest, isOdd: /\*\s*as\b/.test(clause) || (isLoaded && !isCalled) };
}

/** Whether the name stands on the line otherwise than in a call, or as a class of errors. */
function isHandled(text: string, name: string): boolean {
  const bare = text.replace(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`/g, '""').replace(/\/\/.*$/, "");
  const uses = bare.match(new RegExp(`(?<![\\w.$])${name}\\b(?!\\s*:)`, "g")) ?? [];
  const calls =
    bare.match(
      new RegExp(
        `(?<![\\w.$])${name}(?:\\.\\w+)*\\s*\\(|(?<![\\w.$])${name}(?:\\.\\w+)*\\.AssertionError\\b`,
        "g",
      ),
    ) ?? [];
  return uses.length > calls.length;
}

const digestsMin = 3;

/** Answers looked up by the digest of what is asked: a hash in the file, and digests written out to compare it with. */
function digests(lines: readonly Added[]): readonly string[] {
  const hashing =
    /(?<![\w.])hash\s*\(|\b(?:md5|sha1|sha224|sha256|sha512|blake2[bs]|crc32|adler32|createHash)\b\s*\(/;
  const digest = String.raw`["'](?=[a-f]*\d)[0-9a-f]{8,128}["']|0x[0-9a-f]{6,16}|\d{7,20}`;
  const written = new RegExp(
    String.raw`(?:(?<![!<>])==\s*|\bcase\s+)(${digest})|(?:[{,]\s*|^\s*)(${digest})(?=\s*:)`,
    "gi",
  );
  const files = new Set(lines.filter(({ text }) => hashing.test(text)).map(({ file }) => file));
  return [...files].flatMap((file) => {
    const own = lines.filter((line) => line.file === file && !/^\s*(#|\/\/|\*)/.test(line.text));
    const found = own.flatMap((line) =>
      [...line.text.matchAll(written)].map((each) => ({ line, digest: each[1] ?? each[2] })),
    );
    const [first] = found;
    const count = new Set(found.map(({ digest }) => digest)).size;
    return first === undefined || count < digestsMin
      ? []
      : [sentence(first.line, `compares a hash with ${count} digests written out`)];
  });
}

function exitsBesideTraces(lines: readonly Added[]): readonly string[] {
  const traced = new Set(lines.filter(({ text }) => traces.test(text)).map(({ file }) => file));
  return lines
    .filter(({ file, text }) => traced.has(file) && exits.test(text))
    .map((line) => sentence(line, "ends the process in a file that speaks of test reports"));
}

/** What ends a process as if all were well: with 0, with nothing, or with what nobody sees here. */
const well = String.raw`(?!\s*\(?\s*(?:-?[1-9]|f?["'\x60]))`;
const endsPython = new RegExp(
  String.raw`\braise\s+SystemExit\b${well}|\bsys\s*\.\s*exit\s*\(${well}|(?<![\w.])(?<!def\s)(?:exit|quit)\s*\(${well}|\bos\s*\.\s*(?:abort|kill|exec\w+)\s*\(|\bfrom\s+sys\s+import\b.*\bexit\b`,
);
const endsScript = new RegExp(
  String.raw`\bprocess\s*(?:\.\s*|\[\s*["'])(?:exit|abort|reallyExit|kill)(?:["']\s*\])?\s*\(${well}|\bprocess\s*\.\s*exitCode\s*=(?!=)${well}`,
);

/** The process ended where the goal asks for no program: a command that a check starts would end well before it has asked. */
function exitsInside(lines: readonly Added[], diff: string): readonly string[] {
  const shown = addedLines(diff.replace(/^ /gm, "+"));
  return lines
    .filter((line) => !isComment(line) && endsIn(line) && !isInMain(line, shown))
    .map((line) => sentence(line, "ends the process"));
}

function endsIn({ file, text }: Added): boolean {
  const bare = text.replace(/\s#.*$|\/\/.*$/, "");
  if (/\bmain\s*\(/.test(text)) return false;
  return /\.pyi?$/.test(file) ? endsPython.test(bare) : isProgram(file) && endsScript.test(bare);
}

/** Below `if __name__ == "__main__"`, or in a function called main. */
function isInMain(line: Added, shown: readonly Added[]): boolean {
  let margin = indentOf(line.text);
  const at = shown.findIndex((each) => each.file === line.file && each.line === line.line);
  for (const each of shown.slice(Math.max(0, at - 400), at).reverse()) {
    if (each.file !== line.file || margin === 0) break;
    if (!/\S/.test(each.text) || indentOf(each.text) >= margin) continue;
    if (/^\s*if\s+__name__\s*==|\b(?:def|function)\s+main\b|\bmain\s*=|\brequire\.main\s*===/.test(each.text))
      return true;
    margin = indentOf(each.text);
  }
  return false;
}

function sentence({ file, line, text }: Added, why: string): string {
  return `${file}:${line}: ${why}: ${text.trim().slice(0, 120)}`;
}

/** The added lines of a unified diff with their numbers in the new file. */
function addedLines(diff: string): readonly Added[] {
  const added: Added[] = [];
  let file = "";
  let next = 0;
  for (const raw of diff.split("\n")) {
    if (added.length >= linesMax) break;
    const hunk = /^@@ -\d+(?:,\d+)? \+(\d+)/.exec(raw);
    if (raw.startsWith("diff --git ")) {
      file = "";
      next = 0;
    } else if (next === 0 && raw.startsWith("+++ ")) file = pathOf(raw.slice(4));
    else if (hunk !== null) next = Number(hunk[1]);
    else if (next > 0 && raw.startsWith("+")) {
      added.push({ file, line: next, text: raw.slice(1, lineCharactersMax) });
      next += 1;
    } else if (next > 0 && raw.startsWith(" ")) next += 1;
  }
  return added;
}

function pathOf(name: string): string {
  const plain = name.startsWith('"') ? name.slice(1, -1) : name;
  return plain.replace(/\t.*$/, "").replace(/^b\//, "");
}
