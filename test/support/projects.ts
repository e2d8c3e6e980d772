/** Two tiny projects with one missing function each, and answers about it, right and wrong. */
import { file } from "./rigs.ts";

export const python = {
  files: {
    "calc.py": "def add(a, b):\n    return a + b\n",
    "tests/test_calc.py":
      "import calc\n\n\ndef test_add():\n    assert calc.add(1, 2) == 3\n\n\ndef test_double():\n    assert calc.double(4) == 8\n    assert calc.double(-1) == -2\n",
    "readme.md": "# calc\n",
  },
  goal: "Add double(n) to calc.py",
  check: "python3 -m pytest -q tests/test_calc.py",
  right: file("calc.py", "def add(a, b):\n    return a + b\n\n\ndef double(n):\n    return add(n, n)\n"),
  wrong: file("calc.py", "def add(a, b):\n    return a + b\n\n\ndef double(n):\n    return n + 4\n"),
} as const;

const format = "export function shout(text) {\n  return text.toUpperCase();\n}\n";

export const node = {
  files: {
    "package.json": '{ "name": "words", "type": "module", "private": true }\n',
    "src/words.js": format,
    "test/shout.test.js":
      'import { equal } from "node:assert";\nimport { test } from "node:test";\nimport { shout } from "../src/words.js";\n\ntest("shouts", () => equal(shout("a"), "A"));\n',
    "test/count.test.js":
      'import { equal } from "node:assert";\nimport { test } from "node:test";\nimport * as words from "../src/words.js";\n\ntest("counts words", () => equal(words.count("a b  c"), 3));\ntest("nothing has no words", () => equal(words.count(""), 0));\n',
  },
  goal: "Add count(text) to src/words.js: how many words it has",
  check: "node --test test/count.test.js",
  right: file(
    "src/words.js",
    `${format}\nexport function count(text) {\n  return text.split(/\\s+/).filter((word) => word !== "").length;\n}\n`,
  ),
  /** One of two tests passes. */
  wrong: file(
    "src/words.js",
    `${format}\nexport function count(text) {\n  return text.split(/\\s+/).length;\n}\n`,
  ),
  /** Scores below `wrong`. */
  worse: file("src/words.js", `${format}\nexport function count(text) {\n  return words.length;\n}\n`),
} as const;
