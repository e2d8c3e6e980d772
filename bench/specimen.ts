/** Small repositories with one missing function, the answer of a model that knows it, and the same with its body taken out. */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

export interface Specimen {
  readonly name: string;
  readonly goal: string;
  readonly check: string;
  /** The file the answer changes. */
  readonly path: string;
  readonly solution: string;
  /** What a control by hand would be. */
  readonly withoutBody: string;
  readonly files: Readonly<Record<string, string>>;
}

export const specimens: readonly Specimen[] = [
  {
    name: "pytest",
    goal: "Make area(width, height) in shapes.py give the area of a rectangle.",
    check: "python3 -m pytest -q",
    path: "shapes.py",
    solution: "def area(width, height):\n    return width * height\n",
    withoutBody: "def area(width, height):\n    raise RuntimeError\n",
    files: {
      "shapes.py": "def area(width, height):\n    return 0\n",
      "test_shapes.py":
        "from shapes import area\n\n\ndef test_square():\n    assert area(3, 3) == 9\n\n\ndef test_oblong():\n    assert area(2, 5) == 10\n",
    },
  },
  {
    ...{
      name: "pytest, half a second of tests",
      goal: "Make area(width, height) in shapes.py give the area of a rectangle.",
    },
    check: "python3 -m pytest -q",
    path: "shapes.py",
    solution: "def area(width, height):\n    return width * height\n",
    withoutBody: "def area(width, height):\n    raise RuntimeError\n",
    files: {
      "shapes.py": "def area(width, height):\n    return 0\n",
      // The work comes first, so that a red test costs what a green one does.
      "test_shapes.py":
        "import hashlib\n\nimport pytest\n\nfrom shapes import area\n\n\n@pytest.mark.parametrize('side', range(1, 11))\ndef test_square(side):\n    hashlib.pbkdf2_hmac('sha256', b'work', b'salt', 120_000)\n    assert area(side, side) == side * side\n",
    },
  },
  {
    name: "node:test",
    goal: "Make area(width, height) in src/shapes.js give the area of a rectangle.",
    check: "node --test test/shapes.test.js",
    path: "src/shapes.js",
    solution: "export function area(width, height) {\n  return width * height;\n}\n",
    withoutBody: "export function area(width, height) {\n  throw new Error();\n}\n",
    files: {
      "package.json": '{ "name": "shapes", "version": "1.0.0", "type": "module" }\n',
      "src/shapes.js": "export function area(width, height) {\n  return 0;\n}\n",
      "test/shapes.test.js":
        'import assert from "node:assert/strict";\nimport { test } from "node:test";\nimport { area } from "../src/shapes.js";\n\ntest("square", () => assert.equal(area(3, 3), 9));\ntest("oblong", () => assert.equal(area(2, 5), 10));\n',
    },
  },
];

export const gitVariables = {
  PATH: process.env.PATH ?? "",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_AUTHOR_NAME: "Bench",
  GIT_AUTHOR_EMAIL: "bench@localhost",
  GIT_COMMITTER_NAME: "Bench",
  GIT_COMMITTER_EMAIL: "bench@localhost",
} as const;

/** A new repository with one commit. `mark` makes its tree another one than any before, so that no result of an earlier round fits. */
export function plant(specimen: Specimen, folder: string, mark: string): void {
  const git = (...words: readonly string[]) => execFileSync("git", words, { cwd: folder, env: gitVariables });
  for (const [path, text] of Object.entries({ ...specimen.files, "README.md": `${mark}\n` })) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  git("init", "--quiet", "--initial-branch=main");
  git("add", ".");
  git("commit", "--quiet", "--message", "base");
}

/** The answer of an instant model, as a script for a scripted provider. */
export function scriptOf({ path, solution }: Specimen): string {
  return JSON.stringify({ answers: [{ text: `${path}\n\`\`\`\n${solution}\`\`\`\n` }] });
}
