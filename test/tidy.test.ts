import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";

/** Who may look at whom. `main.ts` alone sees everything. */
const sees: Record<string, readonly string[]> = {
  kit: ["kit"],
  domain: ["domain", "kit"],
  ports: ["ports", "domain", "kit"],
  work: ["work", "ports", "domain", "kit"],
  edges: ["edges", "ports", "domain", "kit"],
  faces: ["faces", "work", "ports", "domain", "kit"],
};
const banned = [
  ["Date.now(", "clock.now()"],
  ["Math.random(", "random()"],
  ["process.env", "config from main.ts"],
] as const;

/** What the pure floors may not name at all. */
const impure = [
  /from "node:(?!assert)/,
  /\bPromise\b/,
  /\basync\b/,
  /\bnew Date\(\)/,
  /from "[a-z@]/,
] as const;

const files = globSync("src/{kit,domain,ports,work,faces,edges}/**/*.ts");

test("there are files to look at on every floor", () => {
  const floors = new Set(files.map((file) => file.split("/")[1]));
  expect([...floors].sort()).toEqual(Object.keys(sees).sort());
});

test.each(files)("%s is tidy", (file) => {
  const text = readFileSync(file, "utf8");
  const floor = file.split("/")[1] ?? "";
  const imports = [...text.matchAll(/(?:from|import\() ?"(\.[^"]+)"/g)].map(([, target = ""]) =>
    join(dirname(file), target),
  );
  const strangers = imports.filter((path) => !sees[floor]?.includes(path.split("/")[1] ?? ""));
  expect(strangers, `${floor} may only see ${sees[floor]}`).toEqual([]);
  if (floor === "edges" || /\.(test|case)\.ts$/.test(file)) return;
  for (const [word, instead] of banned) expect(text, `use ${instead}`).not.toContain(word);
  if (floor === "domain") for (const pattern of impure) expect(text, "domain is pure").not.toMatch(pattern);
});
