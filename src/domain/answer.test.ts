import fc from "fast-check";
import { expect, test } from "vitest";
import { type Answer, diagnosisOf, type FileEdit, parseAnswer, printAnswer } from "./answer.ts";
import { pathInInfo, pathOnLine } from "./heading.ts";

const whole = (path: string, text: string): FileEdit => ({ path, kind: "whole", text });
const files = (...edits: FileEdit[]): Answer => ({ kind: "files", files: edits });
const reasonOf = (answer: Answer) => (answer.kind === "malformed" ? answer.reason : answer.kind);
const block = (...lines: string[]) => lines.join("\n");

test.each([
  ["src/a.py", "src/a.py"],
  ["`src/a.py`", "src/a.py"],
  ["**src/a.py**", "src/a.py"],
  ["**`src/a.py`**", "src/a.py"],
  ["**`src/a.py`:**", "src/a.py"],
  ["### src/a.py", "src/a.py"],
  ["### `src/a.py`", "src/a.py"],
  ["### 1. `src/a.py` (new file)", "src/a.py"],
  ["src/a.py:", "src/a.py"],
  ["File: src/a.py", "src/a.py"],
  ["**File:** `src/a.py`", "src/a.py"],
  ["**File: src/a.py**", "src/a.py"],
  ["File path: `my file.py`", "my file.py"],
  ["- `src/a.py`", "src/a.py"],
  ["  src/a.py  ", "src/a.py"],
  ["__init__.py", "__init__.py"],
  ["pkg/__init__.py", "pkg/__init__.py"],
  [".gitignore", ".gitignore"],
  ["Makefile", "Makefile"],
  ["app/(shop)/[id]/page.tsx", "app/(shop)/[id]/page.tsx"],
  ["/etc/passwd", "/etc/passwd"],
  ["C:\\a.py", "C:\\a.py"],
  ["Here is the file:", undefined],
  ["In `src/a.py` it says:", undefined],
  ["`pytest tests/a.py`", undefined],
  ["Run pytest tests/a.py", undefined],
  ["https://example.org/a.py", undefined],
  ["Done.", undefined],
  ["etc.", undefined],
  ["...", undefined],
  ["---", undefined],
  ["3.14", undefined],
])("the line %j names %j", (line, path) => expect(pathOnLine(line)).toBe(path));

test.each([
  ["python src/a.py", "src/a.py"],
  ["src/a.py", "src/a.py"],
  ["python:src/a.py", "src/a.py"],
  ['ts title="src/a.ts"', "src/a.ts"],
  ["python", undefined],
  ["c++", undefined],
  ["python3.12", undefined],
  ["Dockerfile", undefined],
])("the info %j names %j", (info, path) => expect(pathInInfo(info)).toBe(path));

test("reads whole files with prose around, whatever the fence", () => {
  const text = block(
    "Sure!",
    "",
    "src/a.py",
    "```python",
    "x = 1",
    "```",
    "And:",
    "",
    "### `b.py`",
    "~~~~",
    "y = 2",
    "~~~~",
    "Done.",
  );
  expect(parseAnswer(text)).toEqual(files(whole("src/a.py", "x = 1\n"), whole("b.py", "y = 2\n")));
});

test("a blank line may stand between path and fence, a fence may be indented, line ends may be CRLF", () => {
  const text = "1. src/a.py\r\n\r\n   ```python\r\n   def f():\r\n       return 1\r\n   ```\r\n";
  expect(parseAnswer(text)).toEqual(files(whole("src/a.py", "def f():\n    return 1\n")));
});

test("a path in the info wins over other words before it", () => {
  expect(parseAnswer("Here:\n```python src/a.py\nx\n```")).toEqual(files(whole("src/a.py", "x\n")));
  expect(parseAnswer("src/a.py\n```a.py\nx\n```")).toEqual(files(whole("src/a.py", "x\n")));
});

test("the last of two alternatives wins", () => {
  const text = block("a.py", "```", "one", "```", "or better", "a.py", "```", "two", "```");
  expect(parseAnswer(text)).toEqual(files(whole("a.py", "two\n")));
});

test("a README may hold fences, longer outside or with info words inside", () => {
  const inner = block("# Shop", "```bash", "npm ci", "```", "Done");
  const expected = files(whole("README.md", `${inner}\n`));
  expect(parseAnswer(block("README.md", "````markdown", inner, "````"))).toEqual(expected);
  expect(parseAnswer(block("README.md", "```markdown", inner, "```"))).toEqual(expected);
  expect(parseAnswer(block("README.md", "~~~", inner, "~~~"))).toEqual(expected);
});

test("reads SEARCH/REPLACE blocks: several in a fence, in a second fence without a path, with the path inside, without a fence", () => {
  const one = block("<<<<<<< SEARCH", "a", "=======", "b", ">>>>>>> REPLACE");
  const two = block("<<<<<<< SEARCH", "c", "=======", ">>>>>>> REPLACE");
  const expected = files({
    path: "a.py",
    kind: "blocks",
    blocks: [
      { search: "a\n", replace: "b\n" },
      { search: "c\n", replace: "" },
    ],
  });
  expect(parseAnswer(block("a.py", "```python", one, two, "```"))).toEqual(expected);
  expect(parseAnswer(block("a.py", "```", one, "```", "then", "```", two, "```"))).toEqual(expected);
  expect(parseAnswer(block("```python", "a.py", one, two, "```"))).toEqual(expected);
  expect(parseAnswer(block("a.py", one, "", two))).toEqual(expected);
});

test("of two blocks with the same SEARCH in two fences the later wins", () => {
  const of = (text: string) =>
    block("a.py", "```", "<<<<<<< SEARCH", "a", "=======", text, ">>>>>>> REPLACE", "```");
  const blocks = [{ search: "a\n", replace: "two\n" }];
  expect(parseAnswer(block(of("one"), of("two")))).toEqual(files({ path: "a.py", kind: "blocks", blocks }));
});

test("marks of five characters or unequal length are forgiven, two dividers are not", () => {
  const sloppy = block("a.py", "```", "<<<<<<< SEARCH", "a", "======", "b", ">>>>> REPLACE", "```");
  expect(parseAnswer(sloppy)).toEqual(
    files({ path: "a.py", kind: "blocks", blocks: [{ search: "a\n", replace: "b\n" }] }),
  );
  const two = block(
    "a.md",
    "```",
    "<<<<<<< SEARCH",
    "a",
    "=======",
    "b",
    "=======",
    ">>>>>>> REPLACE",
    "```",
  );
  expect(reasonOf(parseAnswer(two))).toBe("inapplicable");
});

test("deletes a file", () => {
  expect(parseAnswer("old.py\n```\n<<<<<<< DELETE\n```")).toEqual(files({ path: "old.py", kind: "delete" }));
});

test("reads a request for files, fenced or bare; files beside it win", () => {
  const read: Answer = { kind: "read", paths: ["src/a.py", "b.py"] };
  expect(parseAnswer('I need\n```json\n{"read": ["src/a.py", "./b.py"]}\n```')).toEqual(read);
  expect(parseAnswer('{"read": ["src/a.py", "b.py", "b.py"]}')).toEqual(read);
  expect(parseAnswer('First:\n{ "read": [\n "src/a.py",\n "b.py"] }\nthanks')).toEqual(read);
  expect(parseAnswer('a.py\n```\nx\n```\n{"read": ["b.py"]}')).toEqual(files(whole("a.py", "x\n")));
  expect(reasonOf(parseAnswer('{"read": ["../b.py"]}'))).toBe("forbidden-path");
  expect(reasonOf(parseAnswer('{"read": []}'))).toBe("no-files");
  expect(parseAnswer('data.json\n```json\n{"read": ["b.py"]}\n```')).toEqual(
    files(whole("data.json", '{"read": ["b.py"]}\n')),
  );
});

test("a missing path line is the only plausible file, where the caller knows one", () => {
  const text = block("Run it:", "```bash", "pytest", "```", "The file:", "```python", "x = 1", "```");
  expect(parseAnswer(text, { onlyFile: "src/a.py" })).toEqual(files(whole("src/a.py", "x = 1\n")));
  expect(reasonOf(parseAnswer(text))).toBe("no-files");
});

test.each([
  ["empty", ""],
  ["empty", " \n\n"],
  ["refused", "I'm sorry, but I can't help with that."],
  ["no-files", "I would add a function."],
  ["no-files", '```json\n{"path": "a.py", "content": "x = 1"}\n```'],
  ["no-files", "```\n<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n```"],
  ["truncated", "a.py\n```python\nx = 1\n"],
  ["truncated", "a.py\n```python\nx = 1\n\nb.py\n```python\ny = 2\n```\n"],
  ["truncated", "a.py\n```\n<<<<<<< SEARCH\na\n=======\nb\n```"],
  ["truncated", "a.py\n<<<<<<< SEARCH\na\n=======\nb\n"],
  ["inapplicable", "a.py\n```diff\n-a\n+b\n```"],
  ["forbidden-path", "../a.py\n```\nx\n```"],
  ["forbidden-path", "/etc/cron.d/x\n```\nx\n```"],
  ["forbidden-path", "~/.ssh/config\n```\nx\n```"],
  ["forbidden-path", "a/.git/hooks/pre-commit\n```\nx\n```"],
  ["forbidden-path", "a/.GIT/config\n```\nx\n```"],
  ["forbidden-path", "a/git~1/config\n```\nx\n```"],
  ["forbidden-path", ".git./config\n```\nx\n```"],
  ["forbidden-path", ".g\u200bit/config\n```\nx\n```"],
  ["forbidden-path", "src\\..\\a.py\n```\nx\n```"],
  ["forbidden-path", "C:\\a.py\n```\nx\n```"],
  ["forbidden-path", "src/\n```\nx\n```"],
  ["forbidden-path", "a\u0000/b.py\n```\nx\n```"],
  ["forbidden-path", `${"d".repeat(256)}/a.py\n\`\`\`\nx\n\`\`\``],
] as const)("is malformed: %s, for %j", (reason, text) => expect(reasonOf(parseAnswer(text))).toBe(reason));

test("what the provider says of the end is believed", () => {
  const text = "a.py\n```\nx\n```";
  expect(reasonOf(parseAnswer(text, { finish: "length" }))).toBe("truncated");
  expect(reasonOf(parseAnswer("", { finish: "length" }))).toBe("truncated");
  expect(reasonOf(parseAnswer(text, { finish: "refused" }))).toBe("refused");
  expect(reasonOf(parseAnswer(text, { finish: "stop" }))).toBe("files");
});

test("says which paragraph is the diagnosis", () => {
  expect(diagnosisOf("The sign is\nwrong.\n\nMore.\n\na.py\n```\nx\n```")).toBe("The sign is wrong.");
  expect(diagnosisOf("a.py\n```\nx\n```")).toBe("");
});

const name = fc
  .stringMatching(/^[\p{L}\p{N}_+@$()[\]~ .=;*{}<>|"'?#&%!,:-]{1,12}$/u)
  .map((text) => `nn${text.trim()}${text.length % 2 === 0 ? "x" : ".py"}`);
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
const line = fc.oneof(
  { weight: 3, arbitrary: fc.string({ maxLength: 12 }).map((text) => text.replace(/[\r\n]/g, "")) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      "```",
      "````python",
      "~~~",
      "=======",
      "<<<<<<< SEARCH",
      ">>>>>>> REPLACE",
      "src/a.py",
      "",
      "    pass",
      "<<<<<<< DELETE",
      "=========",
    ),
  },
);
const text = fc.array(line, { maxLength: 8 }).map((lines) => lines.map((each) => `${each}\n`).join(""));
const isPlain = (value: string) => !/^\s*<{5,}/.test(value);
const edit: fc.Arbitrary<FileEdit> = fc.oneof(
  fc.record({ path, kind: fc.constant("whole" as const), text: text.filter(isPlain) }),
  fc.record({
    path,
    kind: fc.constant("blocks" as const),
    blocks: fc.array(fc.record({ search: text, replace: text }), { minLength: 1, maxLength: 3 }),
  }),
  fc.record({ path, kind: fc.constant("delete" as const) }),
);

test("law: parse(print(edits)) = edits", () => {
  const edits = fc.uniqueArray(edit, { selector: (each) => each.path, minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(edits, (given) => {
      expect(parseAnswer(printAnswer(given))).toEqual({ kind: "files", files: given });
    }),
    { numRuns: 600 },
  );
});

const slips = fc.constantFrom(
  "a.py\n",
  "```",
  "```py\n",
  "```\n",
  "~~~\n",
  "<<<<<<< SEARCH\n",
  "=======\n",
  ">>>>>>> REPLACE\n",
  '{"read": [',
  "]}",
  "### `x.md`\n",
  "\r\n",
  "....",
  "\n",
  "<<<<<<< DELETE\n",
  "/* ... */\n",
);

test("law: never throws, whatever the text", () => {
  const hostile = fc.array(fc.oneof(slips, fc.string({ maxLength: 20, unit: "binary" })), { maxLength: 40 });
  fc.assert(
    fc.property(hostile, (parts) => {
      const answer = parseAnswer(parts.join(""), { onlyFile: "a.py" });
      if (answer.kind === "files")
        for (const file of answer.files) expect(file.path).not.toMatch(/(^|\/)\.\.?(\/|$)|^\//);
      diagnosisOf(parts.join(""));
    }),
    { numRuns: 600 },
  );
});

test.each([
  ["one line", "a".repeat(1_000_000)],
  ["backticks", "`".repeat(1_000_000)],
  ["short fences", "```\n".repeat(250_000)],
  ["fences with info", "```py\n".repeat(160_000)],
  ["open braces", '{"read":'.repeat(125_000)],
  ["search marks", `a.py\n\`\`\`\n${"<<<<<<< SEARCH\n=====\n>>>>> REPLACE\n".repeat(27_000)}\`\`\``],
  [
    "growing marks",
    "a.py\n```\n" +
      Array.from({ length: 1_000 }, (_, index) => `${"<".repeat(index + 5)} SEARCH`).join("\n") +
      "\n```",
  ],
  ["bare searches", `a.py\n${"<<<<<<< SEARCH\na\n=======\n>>>>>>> REPLACE\n".repeat(22_000)}`],
  ["many edits of one file", "a.py\n```\n<<<<<<< SEARCH\na\n=======\n>>>>>>> REPLACE\n```\n".repeat(16_000)],
  ["headings", "### ".repeat(250_000)],
  ["spaces", " ".repeat(1_000_000)],
  ["dots", `a.py\n\`\`\`\n${"... ".repeat(250_000)}\n\`\`\``],
  ["comments", `a.py\n\`\`\`\n${"# rest of the the the\n".repeat(45_000)}\n\`\`\``],
  ["headers", `a.py\n\`\`\`\n${"def f(\n".repeat(140_000)}\`\`\``],
  ["docstrings", `a.py\n\`\`\`\n${'def f():\n  """\n'.repeat(65_000)}\`\`\``],
])("law: a megabyte of %s is parsed in linear time", (_, given) => {
  const started = performance.now();
  parseAnswer(given, { onlyFile: "a.py", files: new Map([["a.py", given.slice(0, 500_000)]]) });
  // A quadratic step takes minutes here; the bound leaves room for a busy machine.
  expect(performance.now() - started).toBeLessThan(5_000);
});
