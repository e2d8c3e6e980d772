import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { pictureOf, scratch, userEnvironment } from "../../ports/repository.case.ts";
import { initialiseRepository } from "./initialise.ts";
import { openRepositories } from "./repositories.ts";

const { folder, sample } = scratch();
const options = { surroundings: userEnvironment };

test("makes a repository whose first commit has every file but generated and secret ones", async () => {
  const top = folder("new");
  for (const name of ["a.ts", ".env", "id.pem"]) writeFileSync(join(top, name), name);
  mkdirSync(join(top, "node_modules"));
  writeFileSync(join(top, "node_modules/x.js"), "x");
  const before = pictureOf(top);
  const made = await initialiseRepository(top, options);
  expect(made).toEqual({
    top,
    head: made.head,
    author: "Ada Example <ada@example.org>",
    files: 1,
    leftOut: ["node_modules", ".env"],
  });
  const repositories = openRepositories({ root: folder("root"), ...options });
  expect(await repositories.survey(top)).toMatchObject({ top, head: made.head, dirty: [], untracked: [] });
  const repository = await repositories.open(top, made.head);
  expect((await repository.list(made.head)).map(({ path }) => path)).toEqual(["a.ts"]);
  expect(
    Object.fromEntries(Object.entries(pictureOf(top)).filter(([path]) => !path.startsWith(".git/"))),
  ).toEqual(before);
  expect(existsSync(join(top, ".git/hooks"))).toBe(false);
});

test("an empty folder gets an empty first commit", async () => {
  const top = folder("empty");
  expect(await initialiseRepository(top, options)).toMatchObject({ top, files: 0, leftOut: [] });
});

test("a repository with commits, and a folder inside one, stay as they are", async () => {
  const user = sample("there");
  user.write("a", "1");
  user.write("sub/b", "1");
  const head = user.commit("first");
  await expect(initialiseRepository(user.top, options)).rejects.toThrow(/git repository with commits/);
  await expect(initialiseRepository(join(user.top, "sub"), options)).rejects.toThrow(
    /is inside the repository/,
  );
  await expect(initialiseRepository(join(user.top, "missing"), options)).rejects.toThrow(/no folder/);
  expect(user.git("rev-parse", "HEAD")).toBe(head);
});
