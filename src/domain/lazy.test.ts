import { expect, test } from "vitest";
import { findLazy } from "./lazy.ts";

const isLazy = (path: string, after: string, before?: string) => findLazy(path, after, before) !== undefined;

test.each([
  "# ... existing code ...",
  "# ...",
  "// ... rest of the code",
  "// rest unchanged",
  "  // The rest of the file remains unchanged.",
  "/* ... other methods ... */",
  "... existing code ...",
  "...existing code...",
  "...",
  "# TODO implement",
  "# TODO: implement this",
  "// Your code here",
  "# (rest of the class unchanged)",
  "<!-- existing content here -->",
  "{/* ... existing code ... */}",
  "// unchanged",
  "# same as before",
  "# omitted for brevity",
  "    # implementation goes here",
])("a program with the line %j is lazy", (line) =>
  expect(isLazy("a.py", `x = 1\n${line}\ny = 2\n`)).toBe(true),
);

test.each([
  "    ...rest,",
  "  ...previous,",
  "...existing as Props",
  "x = foo(...)",
  "# the rest of the list is sorted by the caller",
  "# unchanged values are skipped",
  "# keep the existing code path for old callers",
  "// Implement this interface to add a kind of tank",
  "# TODO: make it faster",
  "pass",
  "# the loop waits ... then goes on",
  "# wait for other threads before the rest...",
  "#.",
  "print('rest unchanged')",
])("a program with the line %j is not", (line) =>
  expect(isLazy("a.ts", `x = 1\n${line}\ny = 2\n`)).toBe(false),
);

test("dots are a body of a stub, and prose in a README", () => {
  expect(isLazy("a.py", "class A(Protocol):\n    def f(self) -> int:\n        ...\n")).toBe(false);
  expect(isLazy("README.md", "# The rest of the API\n\n...\nand more\n")).toBe(false);
  expect(isLazy("README.md", "# Shop\n\n[rest of the file unchanged]\n")).toBe(true);
  expect(isLazy("README.md", "# Shop\n\n... rest of the file unchanged ...\n")).toBe(true);
});

test("what stood there before is not held against an answer", () => {
  expect(isLazy("a.py", "# TODO implement\nx = 2\n", "# TODO implement\nx = 1\n")).toBe(false);
  expect(isLazy("a.py", "# TODO implement\nx = 2\n", "x = 1\n")).toBe(true);
});

test("a body that became a stub is lazy, one that was a stub is not", () => {
  const full = "def f(a,\n      b):\n    c = a + b\n    return c\n";
  const stub = 'def f(a,\n      b):\n    """Adds."""\n    pass\n';
  expect(isLazy("a.py", stub, full)).toBe(true);
  expect(isLazy("a.py", stub, stub.replace("pass", "..."))).toBe(false);
  expect(isLazy("a.py", full, stub)).toBe(false);
  expect(isLazy("a.py", "def f(a, b): ...\n", full)).toBe(true);
  expect(isLazy("a.py", "def f(a): return a\n\nclass A:\n    pass\n", full)).toBe(false);
  expect(isLazy("a.py", "def g():\n    pass\n", full)).toBe(false);
});
