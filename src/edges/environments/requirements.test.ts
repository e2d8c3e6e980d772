import { expect, test } from "vitest";
import { readRequirements } from "./requirements.ts";

const read = (files: Readonly<Record<string, string>>) =>
  readRequirements("requirements.txt", async (path) => {
    const text = files[path];
    return text === undefined ? undefined : Buffer.from(text);
  });

async function check(text: string, expected: object) {
  const asked = await read({ "requirements.txt": text });
  expect(asked).toMatchObject({ kind: "read", ...expected });
}

async function refuses(text: string, why: RegExp) {
  expect(await read({ "requirements.txt": text })).toEqual({
    kind: "refused",
    why: expect.stringMatching(why),
  });
}

test("requirements as pip writes them", async () => {
  await check("a==1.0 # why\n\n# b\nb[x]>=2 ; python_version < '3.12'\n", {
    requirements: ["a==1.0", "b[x]>=2 ; python_version < '3.12'"],
  });
  await check("a==1 \\\n  --hash=sha256:00 \\\n  --hash=sha256:11\nb\n", {
    requirements: ["a==1    --hash=sha256:00    --hash=sha256:11", "b"],
  });
  await check("--pre\n--require-hashes\n--only-binary :all:\n--trusted-host x\na\n", {
    requirements: ["--pre", "--require-hashes", "a"],
  });
  await check("-e .\n.\n./\n.[dev]\n-e .[dev]\n", { requirements: [], isProjectAsked: true });
  await check("--index-url https://a.example/simple\n--extra-index-url=https://b.example/simple\n", {
    indexes: ["https://a.example/simple", "https://b.example/simple"],
  });
  await check("a @ https://a.example/a-1-py3-none-any.whl#sha256=00\n", {
    urls: ["https://a.example/a-1-py3-none-any.whl#sha256=00"],
  });
});

test("what would run code or lies outside is refused, with its line", async () => {
  await refuses(
    "a\n--no-binary :all:\n",
    /^requirements.txt:2: "--no-binary :all:" is an option that Rigs does not pass/,
  );
  await refuses("a --no-binary=:all:\n", /an option that Rigs does not pass/);
  await refuses("a --hash=sha256:00 --config-settings=x=y\n", /an option that Rigs does not pass/);
  await refuses("a --global-option=x\n", /an option that Rigs does not pass/);
  await refuses("git+https://a.example/a.git\n", /version control/);
  await refuses("a @ git+ssh://git@a.example/a\n", /version control/);
  await refuses("-e git+https://a.example/a.git#egg=a\n", /needs a build/);
  await refuses("-e ../other\n", /needs a build/);
  await refuses("../other\n", /local path/);
  await refuses("./vendor/a.whl\n", /local path/);
  await refuses("vendor/a\n", /local path/);
  await refuses("a.tar.gz\n", /local path/);
  await refuses("file:///etc/passwd\n", /not an https address/);
  await refuses("a @ file:///etc/a.whl\n", /not an https address/);
  await refuses("a @ https://a.example/a-1.tar.gz\n", /not a wheel/);
  await refuses("--find-links /etc\n", /an option that Rigs does not pass/);
  await refuses("-i file:///etc/simple\n", /not https/);
  await refuses("-r ../secrets.txt\n", /outside the repository/);
  await refuses("-r/etc/passwd\n", /outside the repository/);
  await refuses("https://user:word@a.example/a.zip\n", /\/\/\[secret\]@a.example/);
});

test("files are read in relative to the one that names them, once, and a circle ends", async () => {
  const asked = await read({
    "requirements.txt": "-r more/dev.txt\n-c limits.txt\na\n",
    "more/dev.txt": "-r ../requirements.txt\n-r base.txt\nb\n",
    "more/base.txt": "c\n",
    "limits.txt": "c<2\n",
  });
  expect(asked).toMatchObject({ requirements: ["a", "b", "c"], constraints: ["c<2"] });
  expect(asked.kind === "read" && [...asked.files.keys()].sort()).toEqual([
    "limits.txt",
    "more/base.txt",
    "more/dev.txt",
    "requirements.txt",
  ]);
});
