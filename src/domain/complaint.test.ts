import fc from "fast-check";
import { expect, test } from "vitest";
import { readComplaint, splitOutside } from "./complaint.ts";
import {
  jestBe,
  nodeDeep,
  nodeEqual,
  pytestEqual,
  pytestList,
  pytestRaised,
  unittestLists,
  vitestBe,
} from "./failure.case.ts";

test.each([
  ["pytest", pytestEqual, "assert -1 == 3", "3", "-1"],
  ["pytest with a message", pytestList, "assert [1, 2, 3] == [1, 2, 4]", "[1, 2, 4]", "[1, 2, 3]"],
  ["pytest exception", pytestRaised, "ValueError: bad thing", undefined, undefined],
  [
    "pytest.raises",
    "E   Failed: DID NOT RAISE <class 'ValueError'>",
    "Failed: DID NOT RAISE <class 'ValueError'>",
    "ValueError raised",
    "no exception",
  ],
  ["pytest in", "E   assert 3 in [1, 2]", "assert 3 in [1, 2]", "in [1, 2]", "3"],
  ["pytest truth", "E   assert 0\nE    +  where 0 = add(1, 1)", "assert 0", "something true", "0"],
  ["pytest quotes", "E   assert 'a == b' == 'c'", "assert 'a == b' == 'c'", "'c'", "'a == b'"],
  ["unittest", unittestLists, "AssertionError: Lists differ: [1] != [2]", "[2]", "[1]"],
  [
    "unittest truth",
    'Traceback (most recent call last):\n  File "a.py", line 1, in x\nAssertionError: False is not true',
    "AssertionError: False is not true",
    "true",
    "False",
  ],
  [
    "unittest raises",
    "Traceback (most recent call last):\n  x\nAssertionError: KeyError not raised",
    "AssertionError: KeyError not raised",
    "KeyError raised",
    "no exception",
  ],
  ["node:test", nodeEqual, "Expected values to be strictly equal: 3 !== 4", "4", "3"],
  ["node:test deep", nodeDeep, "Expected values to be strictly deep-equal:", "3", "2"],
  [
    "node:test truth",
    "AssertionError [ERR_ASSERTION]: The expression evaluated to a falsy value:\n\n  assert.ok(isEven(3))\n\n    at x (a.mjs:1:1)",
    "The expression evaluated to a falsy value: assert.ok(isEven(3))",
    "something true",
    "assert.ok(isEven(3))",
  ],
  [
    "node:test loose",
    "AssertionError [ERR_ASSERTION]: '1' == 2\n    at x (a.mjs:1:1)",
    "'1' == 2",
    "2",
    "'1'",
  ],
  [
    "node:test loose deep",
    "AssertionError [ERR_ASSERTION]: Expected values to be loosely deep-equal:\n\n{\n  a: 1\n}\n\nshould loosely deep-equal\n\n{\n  a: 2\n}\n    at x (a.mjs:1:1)",
    "Expected values to be loosely deep-equal:",
    "{\n  a: 2\n}",
    "{\n  a: 1\n}",
  ],
  [
    "node:test match",
    "AssertionError [ERR_ASSERTION]: The input did not match the regular expression /x/. Input:\n\n'abc'\n\n    at x (a.mjs:1:1)",
    "The input did not match the regular expression /x/. Input: 'abc'",
    "to match /x/",
    "'abc'",
  ],
  [
    "node:test with the test's own words",
    "AssertionError [ERR_ASSERTION]: must add\n    at x (a.mjs:1:1)\n\nExpected: 3\nReceived: 2",
    "must add",
    "3",
    "2",
  ],
  [
    "node:test rejects",
    "AssertionError [ERR_ASSERTION]: Missing expected rejection.\n    at x (a.mjs:1:1)",
    "Missing expected rejection.",
    "an exception",
    "no exception",
  ],
  ["vitest", vitestBe, "expected 3 to be 4 // Object.is equality", "4", "3"],
  [
    "vitest deep",
    "AssertionError: expected { a: 1 } to deeply equal { a: 2 }",
    "expected { a: 1 } to deeply equal { a: 2 }",
    "{ a: 2 }",
    "{ a: 1 }",
  ],
  [
    "vitest throw",
    "AssertionError: expected [Function] to throw an error",
    "expected [Function] to throw an error",
    "to throw an error",
    "[Function]",
  ],
  [
    "jest, a file that cannot be loaded",
    "  ● Test suite failed to run\n\n    Cannot find module './nothere.js' from 'calc.js'\n\n      at Resolver (a.js:1:1)",
    "Cannot find module './nothere.js' from 'calc.js'",
    undefined,
    undefined,
  ],
  ["jest", jestBe, "Error: expect(received).toBe(expected)", "4", "3"],
])("reads what %s says", (_, message, essence, expected, got) =>
  expect(readComplaint(message)).toMatchObject({ essence, expected, got }),
);

test("law: a split is outside quotes and loses nothing", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 30 }), fc.string({ maxLength: 30 }), (left, right) => {
      const split = splitOutside(`${left} == ${right}`, [" == "]);
      if (split !== undefined) expect(split.left + split.by + split.right).toBe(`${left} == ${right}`);
    }),
  );
});
