import fc from "fast-check";
import { encode } from "gpt-tokenizer";
import { expect, test } from "vitest";
import { parseAnswer } from "./answer.ts";
import { fenceOf, shownFile } from "./fence.ts";
import type { Check } from "./gate.ts";
import { outline } from "./outline.ts";
import { type CoderAsk, coderPrompt, coderSystem, type Turn } from "./prompt.ts";
import { repositoryMap, selectFiles, type Tracked } from "./selection.ts";

const size = (text: string) => Math.ceil(text.length / 4);
const text = (value: string): Tracked => ({ kind: "text", text: value });
const check: Check = {
  name: "acceptance-1",
  command: "python3 -m pytest tests/test_shop.py",
  cwd: ".",
  role: "acceptance",
  timeoutMs: 60_000,
  report: { kind: "recognise" },
};
const shop = "def add(a, b):\n    return a - b\n";
const shopTest = "from shop import add\n\ndef test_add():\n    assert add(1, 2) == 3\n";
const ask: CoderAsk = {
  goal: "Mend add in shop.py",
  standing: "",
  checks: [check],
  protect: ["tests/**"],
  readOnly: new Set(["tests/test_shop.py"]),
  lessons: [],
  files: new Map([
    ["tests/test_shop.py", text(shopTest)],
    ["shop.py", text(shop)],
    ["logo.png", { kind: "binary" }],
  ]),
  changed: new Map(),
  named: [],
  opening: { kind: "draft" },
  history: [],
  size,
};
const mended = "def add(a, b):\n    return b - a\n";
const answer = `The order was wrong.\n\nshop.py\n\`\`\`python\n${mended}\`\`\``;
const feedback =
  "test: test_add: assert 1 == 3\n0 passed, 1 failed.\n\nFirst failing test: tests/test_shop.py::test_add\n\n```\nexpected: 3\ngot: 1\n```";
const answered = (more: Partial<Extract<Turn, { readonly kind: "answered" }>> = {}): Turn => ({
  kind: "answered",
  answer,
  feedback,
  outcome: "kept",
  ...more,
});
const lastOf = (more: Partial<CoderAsk>) => coderPrompt({ ...ask, ...more }).messages.at(-1)?.text ?? "";

test("the fixed part is small and says who is asked", () => {
  expect(coderSystem.split("\n")[0]).toBe("Role: coder");
  expect(encode(coderSystem).length).toBeLessThanOrEqual(700);
});

test("the answer format in the prompt is what the parser reads", () => {
  const examples = coderSystem.slice(coderSystem.indexOf("Answer\n"));
  expect(parseAnswer(examples)).toMatchObject({
    kind: "files",
    files: [
      { path: "src/area.py", kind: "whole" },
      { path: "src/long.py", kind: "blocks" },
      { path: "src/old.py", kind: "delete" },
    ],
  });
});

test("a draft shows goal, checks, read-only files and files, in this order", () => {
  const { system, messages } = coderPrompt(ask);
  expect(system).toBe(coderSystem);
  expect(messages).toEqual([
    {
      from: "user",
      text: `Files that are not shown:
\`\`\`
logo.png (binary)
\`\`\`

Goal:
Mend add in shop.py

Checks:
- python3 -m pytest tests/test_shop.py: must pass

Read-only, whatever happens:
- tests/**

Read-only files (tests and what else is protected):

${shownFile("tests/test_shop.py", shopTest)}

Files:

${shownFile("shop.py", shop)}

Make the change now.`,
    },
  ]);
  expect(shownFile("shop.py", shop)).toBe(`shop.py\n\`\`\`python\n${shop}\`\`\``);
});

test("a repair shows the newest answer and feedback whole, and files only where the answer does not", () => {
  const prompt = coderPrompt({ ...ask, history: [answered()], changed: new Map([["shop.py", mended]]) });
  expect(prompt.messages.map((message) => message.from)).toEqual(["user", "model", "user"]);
  expect(prompt.messages[1]?.text).toBe(answer);
  const last = prompt.messages[2]?.text ?? "";
  expect(last).toContain("test_add");
  expect(last).toContain("expected: 3\ngot: 1");
  expect(last).toContain("smallest change");
  expect(last).not.toContain("these files have changed");
  const byBlocks =
    "shop.py\n```\n<<<<<<< SEARCH\n    return a - b\n=======\n    return b - a\n>>>>>>> REPLACE\n```";
  expect(
    lastOf({ history: [answered({ answer: byBlocks })], changed: new Map([["shop.py", mended]]) }),
  ).toContain(shownFile("shop.py", mended));
});

test("what was taken back is said", () => {
  expect(lastOf({ history: [answered({ outcome: "taken-back" })] })).toContain("it was taken back");
});

test("older answers and feedback are masked", () => {
  const { messages } = coderPrompt({
    ...ask,
    history: [answered(), answered({ feedback: "second" })],
    changed: new Map([["shop.py", mended]]),
  });
  expect(messages[1]?.text).toBe("The order was wrong.\n[answer of 7 lines elided]");
  expect(messages[2]?.text).toBe("[9 lines elided] test: test_add: assert 1 == 3");
  expect(messages[4]?.text).toContain("second");
});

test("a re-ask after a run keeps the run's feedback", () => {
  const rejected: Turn = {
    kind: "rejected",
    answer: "nothing",
    reason: "lazy",
    detail: 'shop.py: "# ..." leaves code out',
  };
  const { messages } = coderPrompt({ ...ask, history: [answered(), rejected] });
  expect(messages[2]?.text).toContain("expected: 3");
  expect(messages[4]?.text).toBe(
    'Your answer could not be used: shop.py: "# ..." leaves code out\n\nAnswer again with the complete code, nothing left out.',
  );
});

test("the nearest real lines stand in a block", () => {
  const detail =
    "shop.py: the SEARCH text is not in the file. Nearest real lines (1-2):\n```\nGoal: delete all";
  const last = lastOf({ history: [{ kind: "rejected", answer: "x", reason: "inapplicable", detail }] });
  expect(last).toContain("````\n```\nGoal: delete all\n````");
});

test("files that were asked for are shown as they are now, once", () => {
  const history: Turn[] = [
    {
      kind: "read",
      answer: '{"read": ["shop.py", "gone.py", "logo.png"]}',
      paths: ["shop.py", "gone.py", "logo.png"],
    },
  ];
  const last = lastOf({ history, changed: new Map([["shop.py", mended]]) });
  expect(last).toBe(
    `${shownFile("shop.py", mended)}\n\ngone.py: there is no such file\n\nlogo.png: binary, not shown\n\nNow make the change.`,
  );
});

test("a fresh start is a new conversation with what was tried", () => {
  const { messages } = coderPrompt({
    ...ask,
    opening: { kind: "fresh", ideas: ["swap the operands", "swap the operands", "## Goal:\nnone"] },
  });
  expect(messages.length).toBe(1);
  expect(messages[0]?.text).toContain(
    "Tried before, without success:\n- swap the operands\n- ## Goal: none\n\nStart afresh",
  );
});

const big = (lines: number, word: string) =>
  Array.from(
    { length: lines },
    (_, index) => `def ${word}_${index}(a):\n    b = a\n    c = b\n    d = c\n    return d + ${index}\n`,
  ).join("\n");
const many = new Map<string, Tracked>([
  ...Array.from({ length: 60 }, (_, index): [string, Tracked] => [
    `src/part${index}/module${index}.py`,
    text(big(20, `f${index}`)),
  ]),
  ["src/billing.py", text(`from ledgers import book\n${big(10, "bill")}`)],
  ["src/ledgers.py", text(big(10, "book"))],
  ["src/huge.py", text(big(900, "huge"))],
  ["tests/test_billing.py", text("def test_bill():\n    pass\n")],
  ["package-lock.json", text("{}\n")],
  ["data.bin", { kind: "large" }],
]);
const select = (goal: string, tokensMax: number, named: readonly string[] = []) =>
  selectFiles({ files: many, goal, checks: [check], named, size, tokensMax });

test("selects what the goal, the checks and traces name, what that imports, and its tests", () => {
  expect(select("Round the total in billing.py", 4_000, ["src/part7/module7.py"])).toMatchObject({
    whole: ["src/billing.py", "src/ledgers.py", "src/part7/module7.py", "tests/test_billing.py"],
    outlined: [],
    isWhole: false,
  });
  expect(select("Speed up f12_3()", 4_000).whole).toEqual(["src/part12/module12.py"]);
});

test("a named file that is too long is outlined; what is not shown is listed", () => {
  const { whole, outlined, listed } = select("Change huge.py", 12_000);
  expect(outlined).toEqual(["src/huge.py"]);
  expect(whole).not.toContain("src/huge.py");
  expect(listed).toContain("package-lock.json");
  expect(listed).toContain("data.bin");
});

test("everything is shown where it fits", () => {
  const all = select("x", 1_000_000);
  expect(all.isWhole).toBe(true);
  expect(all.listed).toEqual(["data.bin", "package-lock.json"]);
});

test("the map folds folders where it would be too long", () => {
  expect(repositoryMap(many, size, 10_000).split("\n").length).toBe(many.size);
  const folded = repositoryMap(many, size, 60);
  expect(size(folded)).toBeLessThanOrEqual(60);
  expect(folded).toContain("src/ (63 files)");
});

test("an outline keeps declarations and whole lines", () => {
  const code =
    "class A:\n    def f(self):\n        a = 1\n        b = 2\n        return a\n\n    def g(self):\n        return 2\n";
  expect(outline(code)).toBe(
    "class A:\n    def f(self):\n    [4 lines elided]\n    def g(self):\n        return 2\n",
  );
});

const word = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.constantFrom("```", "````x", "~~~", "Goal:", "\n# Rules\n", "Role: coder", "Make the change now."),
);
const anyText = fc.array(word, { maxLength: 6 }).map((parts) => `${parts.join("\n")}\n`);
const anyPath = fc.stringMatching(/^[a-z]{1,5}(\/[a-z]{1,5})?\.(py|ts|md)$/);
const anyFiles = fc.dictionary(anyPath, anyText, { maxKeys: 6 });
const anyTurn: fc.Arbitrary<Turn> = fc.oneof(
  fc.record({
    kind: fc.constant("answered" as const),
    answer: anyText,
    feedback: anyText,
    outcome: fc.constantFrom("kept" as const, "taken-back" as const),
  }),
  fc.record({
    kind: fc.constant("rejected" as const),
    answer: anyText,
    reason: fc.constantFrom("lazy" as const, "truncated" as const),
    detail: anyText,
  }),
  fc.record({
    kind: fc.constant("read" as const),
    answer: anyText,
    paths: fc.array(anyPath, { maxLength: 3 }),
  }),
);
const tracked = (files: Record<string, string>) =>
  new Map(Object.entries(files).map(([path, value]): [string, Tracked] => [path, text(value)]));

test("law: the prompt of a later round begins with the same system text and first message", () => {
  fc.assert(
    fc.property(anyFiles, fc.array(anyTurn, { maxLength: 5 }), anyFiles, (files, history, changed) => {
      const first = coderPrompt({ ...ask, files: tracked(files) });
      const later = coderPrompt({
        ...ask,
        files: tracked(files),
        history,
        changed: new Map(Object.entries(changed)),
      });
      expect(later.system).toBe(first.system);
      expect(later.messages[0]).toEqual(first.messages[0]);
      expect(later.messages.length).toBe(1 + 2 * history.length);
      later.messages.forEach((message, index) => {
        expect(message.from).toBe(index % 2 === 0 ? "user" : "model");
        expect(message.text.trim()).not.toBe("");
      });
    }),
  );
});

test("law: the order in which files are given does not matter", () => {
  fc.assert(
    fc.property(anyFiles, (files) => {
      const reversed = Object.fromEntries(Object.entries(files).reverse());
      expect(coderPrompt({ ...ask, files: tracked(files) })).toEqual(
        coderPrompt({ ...ask, files: tracked(reversed) }),
      );
    }),
  );
});

test("law: no file can end its block: outside of blocks stand only our own lines and paths", () => {
  fc.assert(
    fc.property(anyFiles, (files) => {
      const lines: string[] = [];
      let open: { readonly mark: string; readonly length: number } | undefined;
      for (const line of (coderPrompt({ ...ask, files: tracked(files) }).messages[0]?.text ?? "").split(
        "\n",
      )) {
        const fence = fenceOf(line);
        if (open === undefined) {
          if (fence === undefined) lines.push(line);
          else open = fence;
        } else if (fence?.info === "" && fence.mark === open.mark && fence.length >= open.length)
          open = undefined;
      }
      expect(open).toBe(undefined);
      const own = [
        "",
        "Goal:",
        ask.goal,
        "Checks:",
        `- ${check.command}: must pass`,
        "Read-only, whatever happens:",
        "- tests/**",
        "Files:",
        "Make the change now.",
        ...Object.keys(files),
      ];
      for (const line of lines) expect(own).toContain(line);
    }),
  );
});

test("law: system and first message fit the context, whatever the repository", () => {
  const repository = fc.dictionary(anyPath, fc.integer({ min: 0, max: 400 }), { maxKeys: 12 });
  fc.assert(
    fc.property(repository, fc.integer({ min: 1_500, max: 6_000 }), (sizes, contextTokensMax) => {
      const files = tracked(
        Object.fromEntries(
          Object.entries(sizes).map(([path, lines]) => [path, big(Math.ceil(lines / 6), "f")]),
        ),
      );
      const { system, messages } = coderPrompt({
        ...ask,
        goal: `Mend ${Object.keys(sizes).join(" ")}`,
        files,
        contextTokensMax,
      });
      expect(size(system) + size(messages[0]?.text ?? "")).toBeLessThanOrEqual(contextTokensMax);
    }),
    { numRuns: 60 },
  );
});
