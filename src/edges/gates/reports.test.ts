import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  numbered,
  parseJest,
  parseJunit,
  parseNode,
  parsePytest,
  parseUnittest,
  type Report,
  relativeFile,
} from "./reports.ts";

const origin = { top: "/rig", folder: "." };
const text = (value: string) => new TextEncoder().encode(value);
const golden = (name: string) => readFileSync(join(import.meta.dirname, "golden", name));
const shown = (report: Report) =>
  report.kind === "tests"
    ? report.tests.map(({ status, id, file }) => `${status} ${id} [${file ?? ""}]`)
    : report.why;

const expected = [
  "failed b.test.js (could not be loaded) [b.test.js]",
  "failed sub/a.test.js > outer > bad [sub/a.test.js]",
  "passed sub/a.test.js > outer > good [sub/a.test.js]",
  "passed sub/a.test.js > top [sub/a.test.js]",
  "passed sub/a.test.js > top#2 [sub/a.test.js]",
  "skipped sub/a.test.js > outer > later [sub/a.test.js]",
  "skipped sub/a.test.js > outer > skip [sub/a.test.js]",
];

test.each(["jest.json", "vitest.json"])("%s, as the runner wrote it", (name) => {
  const report = parseJest(golden(name), origin);
  expect([...shown(report)].sort()).toEqual(expected);
  if (report.kind !== "tests") return;
  expect(report.tests.find((each) => each.id.endsWith("bad"))?.message).toMatch(/expect|expected/);
});

const xml = (body: string) => text(`<?xml version="1.0"?><testsuites>${body}</testsuites>`);

test("JUnit: nested suites, files of suites, entities, both kinds of failure", () => {
  const report = parseJunit(
    xml(
      '<testsuite file="a.t"><testsuite><testcase classname="c" name="&lt;n&gt; &#65;&amp;lt;"/></testsuite>' +
        '<testcase name="e"><error message="m">t</error></testcase><testcase name="f" file="/rig/b.t"><failure/></testcase>' +
        '<testcase name="s"><skipped/></testcase></testsuite>',
    ),
    origin,
  );
  expect(shown(report)).toEqual([
    "failed e [a.t]",
    "failed f [b.t]",
    "skipped s [a.t]",
    "passed c::<n> A&lt; [a.t]",
  ]);
  expect(shown(parseJunit(text("<testsuites/>"), origin))).toEqual([]);
  expect(shown(parseJunit(text('<testsuite name="x"><testcase name="a"/></testsuite>\n'), origin))).toEqual([
    "passed a []",
  ]);
});

const parsers = { parseJest, parseJunit, parseNode, parsePytest, parseUnittest };
const hostile: Readonly<Record<string, string>> = {
  empty: "",
  cut: "<testsuites><testsuite><testcase name='a'/>",
  "document type": '<!DOCTYPE x [<!ENTITY a "b">]><testsuites><testcase name="&a;"/></testsuites>',
  laughs: `<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><testsuites>&b;</testsuites>`,
  "deep XML": `${"<testsuite>".repeat(20_000)}${"</testsuite>".repeat(20_000)}`,
  "deep JSON": "[".repeat(200_000),
  "not a number": '{"testResults": [{"name": NaN, "assertionResults": []}]}',
  "another shape": '{"testResults": {"length": 1e9}}',
  prototype: '{"__proto__": {"testResults": []}}',
  "no end": '{"id":"a","file":"","status":"passed","message":""}\n',
  bytes: "\u0000\ufffd\u0001",
};

test.each(Object.entries(hostile))("what is no report gives none: %s", (_name, value) => {
  for (const parse of Object.values(parsers)) expect(parse(text(value), origin).kind).toBe("unreadable");
});

test("whatever the bytes are, no parser throws and every id is its own", () => {
  const piece = fc.constantFrom(
    "<testsuites>",
    "</testsuites>",
    '<testcase name="a"/>',
    '<testcase name="a"><failure/></testcase>',
    "<testcase>",
    "</testcase>",
    "&#99999999;",
    "&lt;",
    '{"end": true}\n',
    '{"id":"a","file":"f","status":"passed","message":""}\n',
    "\n",
    "__proto__",
  );
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.array(piece, { maxLength: 12 }).map((pieces) => text(pieces.join(""))),
    fc.array(piece, { maxLength: 12 }).map((pieces) => xml(pieces.join(""))),
  );
  fc.assert(
    fc.property(bytes, (value) => {
      for (const parse of Object.values(parsers)) {
        const report = parse(value, origin);
        if (report.kind !== "tests") continue;
        const ids = report.tests.map((each) => each.id);
        expect(new Set(ids).size).toBe(ids.length);
      }
    }),
    { numRuns: 500 },
  );
});

test("ids that come again are numbered, even when one is called like that already", () => {
  const of = (id: string) => ({ id, file: undefined, status: "passed", message: "" }) as const;
  expect(numbered(["a#2", "a", "a", "a"].map(of)).map((each) => each.id)).toEqual(["a#2", "a", "a#3", "a#4"]);
});

test("control characters and long messages are bounded and made visible", () => {
  const report = parseUnittest(
    text(
      `${JSON.stringify({ id: "a\u001b[2J", file: "", status: "failed", message: "x".repeat(9_000) })}\n{"end":true}\n`,
    ),
    origin,
  );
  expect(report.kind === "tests" && report.tests[0]).toMatchObject({
    id: "a\\x1b[2J",
    message: "x".repeat(4_000),
  });
});

test("files are named from the repository's top, or not at all", () => {
  const check = (path: string, file: string | undefined, folder = ".") =>
    expect(relativeFile(path, { top: "/rig", folder })).toBe(file);
  check("/rig/a/b.py", "a/b.py");
  check("b.py", "pkg/b.py", "pkg");
  check("../b.py", "b.py", "pkg");
  check("../../b.py", undefined, "pkg");
  check("/usr/lib/x.py", undefined);
  check("/rigged/x.py", undefined);
  check("file:///rig/a.mjs", "a.mjs");
  check("", undefined);
});
