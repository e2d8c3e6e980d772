/**
 * From a report's bytes to tests. Whoever wrote the bytes may be hostile: nothing here throws, follows an entity or keeps
 * more than its bounds; what cannot be read is no report.
 */
import { posix } from "node:path";
import { XMLParser } from "fast-xml-parser";
import { z } from "zod";
import type { TestResult, TestStatus } from "../../domain/gate.ts";
import { collectionMark } from "../../domain/tally.ts";
import { printable } from "../../kit/bounded.ts";

/** The largest report that is read, bytes. */
export const reportBytesMax = 32 * 1024 * 1024;
const testsMax = 50_000;
const nameCharactersMax = 1_000;
const messageCharactersMax = 4_000;
/** Nesting of suites that is followed. */
const depthMax = 60;

export type Report =
  | { readonly kind: "tests"; readonly tests: readonly TestResult[] }
  | { readonly kind: "unreadable"; readonly why: string };

/** Where the runner ran: `top` is the repository's folder as the report's absolute paths name it, `folder` is relative to it. */
export interface Origin {
  readonly top: string;
  readonly folder: string;
}

interface Seen {
  readonly id: string;
  readonly file: string | undefined;
  readonly status: TestStatus;
  readonly message: string;
}

/** pytest's JUnit XML in its xunit1 form, which names files. */
export function parsePytest(bytes: Uint8Array, origin: Origin): Report {
  return guarded(() => finish(casesIn(bytes).map((testcase) => pytestCase(testcase, origin))));
}

/** JUnit XML of anybody: Maven, Gradle, Go, .NET and many more through their converters. */
export function parseJunit(bytes: Uint8Array, origin: Origin): Report {
  return guarded(() => finish(casesIn(bytes).map((testcase) => plainCase(testcase, origin))));
}

/** JSON of vitest and jest, which share one form. */
export function parseJest(bytes: Uint8Array, origin: Origin): Report {
  return guarded(() => {
    const report = JestReport.parse(JSON.parse(decode(bytes)));
    return finish(report.testResults.flatMap((file) => jestFile(file, origin)));
  });
}

/** Lines of our own unittest program. */
export function parseUnittest(bytes: Uint8Array, origin: Origin): Report {
  return guarded(() =>
    finish(
      lines(bytes, UnittestLine).map(({ id, file, status, message }) => {
        const unloaded = /^unittest\.loader\._FailedTest\.(.+)$/.exec(id)?.[1];
        return {
          id: unloaded === undefined ? id : unloaded + collectionMark,
          file: unloaded === undefined ? relativeFile(file, origin) : undefined,
          status,
          message,
        };
      }),
    ),
  );
}

/** Lines of our own reporter for node:test. */
export function parseNode(bytes: Uint8Array, origin: Origin): Report {
  return guarded(() =>
    finish(
      lines(bytes, NodeLine).flatMap((line): Seen[] => {
        const file = relativeFile(line.file, origin);
        const { status, message } = line;
        // A file that passes as a whole is a process that exited with 0: `process.exit(0)` does that too.
        if (line.kind === "file")
          return status === "failed"
            ? [{ id: `${file ?? "?"}${collectionMark}`, file, status, message }]
            : [];
        const isSum = line.kind === "suite" && (status !== "failed" || line.failure === "subtestsFailed");
        return isSum ? [] : [{ id: `${file ?? "?"} > ${line.names.join(" > ")}`, file, status, message }];
      }),
    ),
  );
}

const status = z.enum(["passed", "failed", "skipped"]);
const UnittestLine = z.object({ id: z.string(), file: z.string(), status, message: z.string() });
const NodeLine = z.object({
  names: z.array(z.string()).max(100),
  file: z.string(),
  kind: z.enum(["file", "suite", "test"]),
  failure: z.string(),
  status,
  message: z.string(),
});
const End = z.object({ end: z.literal(true) });

const JestReport = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string().optional(),
      message: z.string().nullish(),
      assertionResults: z.array(
        z.object({
          ancestorTitles: z.array(z.string()).default([]),
          title: z.string(),
          status: z.string(),
          failureMessages: z.array(z.string()).nullish(),
        }),
      ),
    }),
  ),
});
type JestFile = z.infer<typeof JestReport>["testResults"][number];

function jestFile(entry: JestFile, origin: Origin): readonly Seen[] {
  const file = relativeFile(entry.name, origin);
  const name = file ?? "?";
  const tests = entry.assertionResults.map((each) => ({
    id: [name, ...each.ancestorTitles, each.title].join(" > "),
    file,
    status: jestStatus(each.status),
    message: (each.failureMessages ?? []).join("\n"),
  }));
  if (entry.status !== "failed" || tests.some((test) => test.status === "failed")) return tests;
  return [...tests, { id: name + collectionMark, file, status: "failed", message: entry.message ?? "" }];
}

function jestStatus(text: string): TestStatus {
  if (text === "passed" || text === "focused") return "passed";
  return ["skipped", "pending", "todo", "disabled"].includes(text) ? "skipped" : "failed";
}

/** Every line but the last must fit, and the last one must say that the run got to its end. */
function lines<Shape>(bytes: Uint8Array, shape: z.ZodType<Shape>): readonly Shape[] {
  const all = decode(bytes)
    .split("\n")
    .filter((line) => line !== "");
  const last = all.pop();
  if (last === undefined || !End.safeParse(JSON.parse(last)).success)
    throw new Error("the run did not get to its end");
  return all.slice(0, testsMax + 1).map((line) => shape.parse(JSON.parse(line)));
}

interface Testcase {
  readonly name: string;
  readonly classname: string;
  readonly file: string;
  readonly status: TestStatus;
  readonly message: string;
}

function pytestCase(testcase: Testcase, origin: Origin): Seen {
  const file = relativeFile(testcase.file, origin);
  const { status: outcome, message } = testcase;
  if (testcase.classname === "" && message.startsWith("collection failure"))
    return { id: (file ?? testcase.name) + collectionMark, file, status: outcome, message };
  const module = testcase.file.replace(/\.py$/, "").replaceAll("/", ".");
  const isIn = testcase.classname === module || testcase.classname.startsWith(`${module}.`);
  const classes = isIn ? testcase.classname.slice(module.length + 1) : testcase.classname;
  const parts = [file ?? testcase.file, ...classes.split("."), testcase.name].filter((part) => part !== "");
  return { id: parts.join("::"), file, status: outcome, message };
}

function plainCase(testcase: Testcase, origin: Origin): Seen {
  const { classname, name, status: outcome, message } = testcase;
  const id = classname === "" ? name : `${classname}::${name}`;
  return { id, file: relativeFile(testcase.file, origin), status: outcome, message };
}

function casesIn(bytes: Uint8Array): readonly Testcase[] {
  const text = decode(bytes);
  if (/<!DOCTYPE|<!ENTITY/i.test(text)) throw new Error("a document type is not accepted");
  // Without its last tag the file was cut off while it was written.
  if (!/<\/testsuites?\s*>\s*$|<testsuites?(\s[^<>]*)?\/>\s*$/.test(text))
    throw new Error("the file does not end as a report ends");
  const parser = new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: "@",
    parseTagValue: false,
    parseAttributeValue: false,
    processEntities: false,
    textNodeName: "#text",
    isArray: (name) => ["testsuite", "testcase", "failure", "error", "skipped"].includes(name),
  });
  const root: unknown = parser.parse(text);
  const found: Testcase[] = [];
  collect(root, { file: "", depth: 0 }, found);
  return found;
}

type Element = Readonly<Record<string, unknown>>;

function collect(
  element: unknown,
  from: { readonly file: string; readonly depth: number },
  found: Testcase[],
): void {
  if (!isElement(element)) return;
  if (from.depth > depthMax) throw new Error("suites nested too deep");
  if (found.length > testsMax) throw new Error(`more than ${testsMax} tests`);
  const file = attribute(element, "file") || attribute(element, "filepath") || from.file;
  for (const testcase of children(element, "testcase")) found.push(testcaseOf(testcase, file));
  for (const name of ["testsuites", "testsuite"])
    for (const suite of children(element, name)) collect(suite, { file, depth: from.depth + 1 }, found);
}

function testcaseOf(element: Element, suiteFile: string): Testcase {
  const failure = [...children(element, "failure", "error")][0];
  const skipped = [...children(element, "skipped")][0];
  const outcome: TestStatus = failure !== undefined ? "failed" : skipped !== undefined ? "skipped" : "passed";
  const says = failure === undefined ? "" : `${attribute(failure, "message")}\n${textOf(failure)}`.trim();
  return {
    name: attribute(element, "name"),
    classname: attribute(element, "classname"),
    file: attribute(element, "file") || suiteFile,
    status: outcome,
    message: says,
  };
}

/** The child elements of these names. An empty element is text ("") in this parser's tree. */
function children(element: Element, ...names: readonly string[]): readonly Element[] {
  return names.flatMap((name) => {
    const value = Object.hasOwn(element, name) ? element[name] : undefined;
    const all: readonly unknown[] = Array.isArray(value) ? value : value === undefined ? [] : [value];
    return all.map((each) => (isElement(each) ? each : { "#text": typeof each === "string" ? each : "" }));
  });
}

function isElement(value: unknown): value is Element {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function attribute(element: Element, name: string): string {
  const value = Object.hasOwn(element, `@${name}`) ? element[`@${name}`] : undefined;
  return typeof value === "string" ? plain(value) : "";
}

function textOf(element: Element): string {
  const value = Object.hasOwn(element, "#text") ? element["#text"] : undefined;
  return typeof value === "string" ? plain(value) : "";
}

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

/** The five entities of XML and numbers, once: what an entity gives is never read again. */
function plain(text: string): string {
  return text.replace(
    /&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|([a-z]{2,4}));/g,
    (whole, decimal, hexadecimal, name) => {
      if (name !== undefined) return Object.hasOwn(entities, name) ? (entities[name] ?? whole) : whole;
      const code = decimal === undefined ? Number.parseInt(hexadecimal, 16) : Number(decimal);
      return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    },
  );
}

/** The path relative to the repository's top, or undefined when it is not in it. */
export function relativeFile(path: string, origin: Origin): string | undefined {
  if (path === "" || path.includes("\0")) return undefined;
  const local = path.startsWith("file://") ? path.slice("file://".length) : path;
  const absolute = posix.normalize(
    posix.isAbsolute(local) ? local : posix.join(origin.top, origin.folder, local),
  );
  return absolute.startsWith(`${origin.top}/`) ? absolute.slice(origin.top.length + 1) : undefined;
}

function decode(bytes: Uint8Array): string {
  if (bytes.length > reportBytesMax) throw new Error(`more than ${reportBytesMax} bytes`);
  return new TextDecoder().decode(bytes);
}

/** Bounds, visible control characters, and a number behind ids that come again. */
function finish(seen: readonly Seen[]): Report {
  if (seen.length > testsMax) return { kind: "unreadable", why: `more than ${testsMax} tests` };
  return { kind: "tests", tests: numbered(seen.map(tidied)) };
}

function tidied({ id, file, status: outcome, message }: Seen): TestResult {
  const isMarked = id.endsWith(collectionMark);
  const name = printable(isMarked ? id.slice(0, -collectionMark.length) : id).slice(0, nameCharactersMax);
  return {
    id: isMarked ? name + collectionMark : name,
    file,
    status: outcome,
    message: outcome === "failed" ? printable(message).slice(0, messageCharactersMax) : "",
  };
}

/** The second test of one id gets "#2", the third "#3": in the order of the report. */
export function numbered(tests: readonly TestResult[]): readonly TestResult[] {
  const taken = new Set<string>();
  const counts = new Map<string, number>();
  return tests.map((test) => {
    let count = (counts.get(test.id) ?? 0) + 1;
    while (taken.has(withNumber(test.id, count))) count += 1;
    counts.set(test.id, count);
    const id = withNumber(test.id, count);
    taken.add(id);
    return id === test.id ? test : { ...test, id };
  });
}

function withNumber(id: string, count: number): string {
  if (count === 1) return id;
  if (!id.endsWith(collectionMark)) return `${id}#${count}`;
  return `${id.slice(0, -collectionMark.length)}#${count}${collectionMark}`;
}

function guarded(parse: () => Report): Report {
  try {
    return parse();
  } catch (error) {
    const first = (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
    return { kind: "unreadable", why: printable(first.slice(0, 200)) };
  }
}
