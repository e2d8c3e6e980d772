import { expect, test } from "vitest";
import { pytestImport, pytestRaised, pytestSyntax, vitestBe } from "./failure.case.ts";
import { framesIn, ownPath } from "./frame.ts";

test("frames: own ones stay with the innermost last, libraries go", () => {
  const files = new Set([
    "src/shop.py",
    "t/test_a.py",
    "t/test_b.py",
    "src/shop.ts",
    "v/a.test.js",
    "__init__.py",
  ]);
  expect(framesIn(pytestRaised, files)).toEqual([
    { path: "t/test_a.py", line: 10 },
    { path: "src/shop.py", line: 4 },
  ]);
  expect(framesIn(pytestImport, files)).toEqual([{ path: "t/test_b.py", line: 1 }]);
  expect(framesIn(pytestSyntax, files)).toEqual([{ path: "src/shop.py", line: 1 }]);
  expect(framesIn(vitestBe, files)).toEqual([
    { path: "v/a.test.js", line: 2 },
    { path: "src/shop.ts", line: 9 },
  ]);
  expect(framesIn(" ❯ src/shop.ts:3:5\n ❯ v/a.test.js:7:1", files)).toEqual([
    { path: "v/a.test.js", line: 7 },
    { path: "src/shop.ts", line: 3 },
  ]);
  expect(framesIn("src/shop.ts(3,5): error TS2322: x", files)).toEqual([{ path: "src/shop.ts", line: 3 }]);
  expect(ownPath("/srv/.venv/lib/python3.11/site-packages/x/__init__.py", files)).toBe(undefined);
  expect(ownPath("/anywhere/__init__.py", files)).toBe("__init__.py");
});
