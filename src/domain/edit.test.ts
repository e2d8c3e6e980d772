import fc from "fast-check";
import { expect, test } from "vitest";
import { applyEdits, wishOf } from "./edit.ts";
import { likenessOf, nearestMax } from "./placement.ts";
import type { Replacement } from "./replacement.ts";

const blocks = (...pairs: [string, string][]) => ({
  path: "a.py",
  kind: "blocks" as const,
  blocks: pairs.map(([search, replace]): Replacement => ({ search, replace })),
});
/** The file after the edit, or the reason it was rejected. */
const edited = (before: string, ...pairs: [string, string][]) => {
  const applied = applyEdits(new Map([["a.py", before]]), [blocks(...pairs)]);
  return applied.kind === "applied" ? applied.files.get("a.py") : applied.reason;
};
const replaced = (before: string, text: string) => {
  const applied = applyEdits(new Map([["a.py", before]]), [{ path: "a.py", kind: "whole", text }]);
  return applied.kind === "applied" ? applied.files.get("a.py") : applied.reason;
};
const numbered = (count: number, word = "line") =>
  Array.from({ length: count }, (_, index) => `${word} ${index}\n`).join("");

const program = "def f(a):\n    if a:\n        return 1\n    return 2\n\n\ndef g(a):\n    return 2\n";

test("places exactly, but for trailing space, and by a uniform indent", () => {
  expect(edited("a\nb\nc\n", ["b\n", "B\n"])).toBe("a\nB\nc\n");
  expect(edited("a\nb  \nc\n", ["b\nc  \n", "B\n"])).toBe("a\nB\n");
  expect(edited(program, ["if a:\n    return 1\n", "if not a:\n    return 3\n"])).toBe(
    program.replace("if a:\n        return 1", "if not a:\n        return 3"),
  );
  expect(edited("x\ny\n", ["    x\n    y\n", "    x\n        z\n"])).toBe("x\n    z\n");
  expect(edited("\tx\n\t\ty\n", ["x\n\ty\n", "z\n\n\ty\n"])).toBe("\tz\n\n\t\ty\n");
});

test("several blocks go one after the other; an empty replacement deletes", () => {
  expect(edited("a\nb\nc\n", ["a\n", "x\n"], ["x\nb\n", "y\n"])).toBe("y\nc\n");
  expect(edited("a\nb\nc\n", ["b\n", ""])).toBe("a\nc\n");
});

test("nearly the same text is placed when only one place is", () => {
  const before =
    "def total(items):\n    amount = sum(item.price for item in items)\n    return round(amount, 2)\n";
  const search =
    "def total(items):\n\n    amount = sum(item.price for item in item)\n    return round(amount, 2)\n";
  expect(edited(before, [search, "def total(items):\n    return 0\n"])).toBe(
    "def total(items):\n    return 0\n",
  );
  expect(edited(before + before, [search, "x\n"])).toBe("inapplicable");
  expect(edited(before, ["    amount = max(price for item in order)\n", "x\n"])).toBe("inapplicable");
});

test("an ambiguous place is rejected and says where", () => {
  const applied = applyEdits(new Map([["a.py", program]]), [blocks(["    return 2\n", "    return 3\n"])]);
  expect(applied).toMatchObject({ kind: "rejected", reason: "inapplicable" });
  expect(applied.kind === "rejected" && applied.detail).toContain("ambiguous (lines 4, 8)");
});

test("a miss shows the nearest real lines, at most 12", () => {
  const before = numbered(30) + program + numbered(30);
  const search = `    if a:\n        return 17\n${"unknown words\n".repeat(20)}`;
  const applied = applyEdits(new Map([["a.py", before]]), [blocks([search, "x\n"])]);
  const detail = applied.kind === "rejected" ? applied.detail : "";
  expect(detail).toContain("    if a:");
  expect(detail.split("\n").length - 1).toBeLessThanOrEqual(nearestMax);
});

test("a new file comes from an empty SEARCH; a wrong folder is told", () => {
  const create = { path: "b.py", kind: "blocks" as const, blocks: [{ search: "", replace: "x\n" }] };
  expect(applyEdits(new Map(), [create])).toEqual({ kind: "applied", files: new Map([["b.py", "x\n"]]) });
  const wrong = { path: "b.py", kind: "blocks" as const, blocks: [{ search: "a\n", replace: "x\n" }] };
  const applied = applyEdits(new Map([["src/b.py", "a\n"]]), [wrong]);
  expect(applied.kind === "rejected" && applied.detail).toContain("there is src/b.py");
  expect(edited("a\n", ["", "x\n"])).toBe("inapplicable");
});

test("deletes, and only what is there", () => {
  const drop = { path: "a.py", kind: "delete" as const };
  expect(applyEdits(new Map([["a.py", "x\n"]]), [drop])).toEqual({
    kind: "applied",
    files: new Map([["a.py", undefined]]),
  });
  expect(applyEdits(new Map(), [drop])).toMatchObject({ reason: "inapplicable" });
});

test("keeps line ends, byte order mark and last line end", () => {
  expect(replaced("a\r\nb\r\n", "x\ny\n")).toBe("x\r\ny\r\n");
  expect(replaced("\ufeffa\nb", "x\ny\n")).toBe("\ufeffx\ny");
  expect(edited("a\r\nb\r\nc", ["b\nc\n", "B\nC\n"])).toBe("a\r\nB\r\nC");
  expect(edited("\ufeffa\nb\r\nc\r\nd\n", ["a\n", "A\n"])).toBe("\ufeffA\nb\r\nc\r\nd\n");
  expect(edited("a\nb", ["b\n", ""])).toBe("a");
});

test("nothing changed is unchanged", () => {
  expect(replaced("a\r\n", "a\n")).toBe("unchanged");
  expect(edited("a\n", ["a\n", "a\n"])).toBe("unchanged");
  expect(applyEdits(new Map(), [])).toMatchObject({ reason: "unchanged" });
});

test("a long file that shrinks below 60 % without being asked to is lazy", () => {
  const whole = { path: "a.py", kind: "whole" as const, text: numbered(119, "new") };
  const long = new Map([["a.py", numbered(200)]]);
  expect(applyEdits(long, [whole])).toMatchObject({ kind: "rejected", reason: "lazy" });
  expect(applyEdits(long, [whole], wishOf("Remove the old parser"))).toMatchObject({ kind: "applied" });
  expect(applyEdits(long, [{ ...whole, text: numbered(120, "new") }])).toMatchObject({ kind: "applied" });
  expect(applyEdits(new Map([["a.py", numbered(199)]]), [whole])).toMatchObject({ kind: "applied" });
  expect(replaced("def f():\n    x = 1\n    return x\n", "def f():\n    pass\n")).toBe("lazy");
});

test("a file cannot stand where a folder is needed", () => {
  const edit = (path: string) => [{ path, kind: "whole" as const, text: "x\n" }];
  expect(applyEdits(new Map([["src/a.py", ""]]), edit("src"))).toMatchObject({ reason: "inapplicable" });
  expect(applyEdits(new Map([["src", ""]]), edit("src/a.py"))).toMatchObject({ reason: "inapplicable" });
});

const words = fc.constantFrom("a", "b", "  a", "", "return 1", "\tx", "}");
const lines = fc.array(words, { maxLength: 12 });

test("law: an exact, unique search replaces exactly its lines and no other byte", () => {
  const file = fc.tuple(
    lines,
    fc.uniqueArray(fc.integer({ min: 0, max: 99 }), { minLength: 1, maxLength: 4 }),
    lines,
    fc.constantFrom("\n", "\r\n"),
  );
  fc.assert(
    fc.property(file, lines, fc.boolean(), ([before, unique, after, end], fresh, isEnded) => {
      // One line without its end does not say which end it would have.
      fc.pre(isEnded || before.length + unique.length + after.length > 1);
      const middle = unique.map((number) => `unique ${number}`);
      const join = (all: readonly string[]) => all.join(end) + (isEnded ? end : "");
      const search = middle.map((each) => `${each}\n`).join("");
      const replace = fresh.map((each) => `${each}\n`).join("");
      const text = edited(join([...before, ...middle, ...after]), [search, replace]);
      const rest = [...before, ...fresh, ...after];
      expect(text).toBe(rest.length === 0 ? "" : join(rest));
    }),
  );
});

test("law: a rejected answer changes nothing, and blocks never throw", () => {
  fc.assert(
    fc.property(lines, fc.array(fc.tuple(lines, lines), { maxLength: 3 }), (before, pairs) => {
      const files = new Map([["a.py", before.join("\n")]]);
      const text = (all: readonly string[]) => all.map((each) => `${each}\n`).join("");
      applyEdits(files, [
        blocks(...pairs.map(([left, right]): [string, string] => [text(left), text(right)])),
      ]);
      expect(files.get("a.py")).toBe(before.join("\n"));
    }),
  );
});

test("law: likeness is symmetric, within 0 and 1, and 1 for equal lines", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (left, right) => {
      const likeness = likenessOf(left, right);
      expect(likenessOf(right, left)).toBe(likeness);
      expect(likeness).toBeGreaterThanOrEqual(0);
      expect(likeness).toBeLessThanOrEqual(1);
      expect(likenessOf(left, left)).toBe(1);
    }),
  );
});

test("law: hostile repetition is rejected within its bound", () => {
  const started = performance.now();
  const before = "a\n".repeat(200_000);
  expect(edited(before, [`${"a\n".repeat(50_000)}b\n`, "x\n"])).toBe("inapplicable");
  const long = `${"x".repeat(5_000)}\n`;
  expect(edited(long.repeat(200), [`${"x".repeat(4_000)}y\n`.repeat(100), "x\n"])).toBe("inapplicable");
  expect(performance.now() - started).toBeLessThan(8_000);
});
