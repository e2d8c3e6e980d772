import { chmod, lstat, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { firstConfig } from "./first.ts";
import { parseConfig } from "./parse.ts";
import { readConfig } from "./read.ts";
import { addProvider, type Edit, removeProvider, saveConfig } from "./write.ts";

const ground = { place: "config.toml", installed: new Set<never>() };
const work = { kind: "openai-compatible", base_url: "http://127.0.0.1:8080/v1", model: "m" };

const edited = (edit: Edit) => {
  if (edit.kind === "refused") throw new Error(edit.why);
  return edit.text;
};
const names = (text: string) => {
  const result = parseConfig(text, ground);
  if (result.kind === "refused") throw new Error(result.faults.join("\n"));
  return result.config.providers.map(({ name }) => name);
};

const text = `# mine
[general] # keep
log_level = "info"

# about a
[providers.a]
kind = "openai"   # why
model = """
[providers.trap]
"""

# about a's limits
[providers.a.limits]
rpm = 3

# about b
[providers.b]
kind = "acp"
# the end
`;

test("adds a table at the end and leaves every other byte alone", () => {
  const added = edited(addProvider(text, "work", { ...work, tier: undefined }, ground));
  expect(added.startsWith(text)).toBe(true);
  expect(added.slice(text.length)).toBe(
    '\n[providers.work]\nkind = "openai-compatible"\nbase_url = "http://127.0.0.1:8080/v1"\nmodel = "m"\n',
  );
  expect(names(added)).toEqual(["a", "b", "work"]);
});

test("removes a table, its sub-tables and the comments that belong to it, nothing else", () => {
  expect(edited(removeProvider(text, "a", ground))).toBe(`# mine
[general] # keep
log_level = "info"

# about b
[providers.b]
kind = "acp"
# the end
`);
  expect(names(edited(removeProvider(text, "b", ground)))).toEqual(["a"]);
});

test("removing what was added gives the text back", () => {
  const start = fc.constantFrom(
    text,
    `${firstConfig([])}`,
    '[providers.b]\nkind = "acp"\n',
    "# only a comment\n",
  );
  const value = fc.string({ minLength: 1, maxLength: 30 });
  const settings = fc.record({ kind: fc.constantFrom("openai", "acp"), model: value });
  fc.assert(
    fc.property(start, fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/), settings, (before, name, words) => {
      fc.pre(!["a", "b", "__proto__", "constructor", "prototype"].includes(name));
      const added = edited(addProvider(before, name, words, ground));
      expect(parseConfig(added, ground)).toMatchObject({
        config: {
          providers: expect.arrayContaining([expect.objectContaining({ name, model: words.model })]),
        },
      });
      expect(edited(removeProvider(added, name, ground)).trimEnd()).toBe(before.trimEnd());
    }),
    { numRuns: 200 },
  );
});

test("refuses what it cannot do well, and says what to do", () => {
  const check = (edit: Edit, why: RegExp) => expect(edit.kind === "refused" && edit.why).toMatch(why);
  check(addProvider(text, "a", work, ground), /^providers\.a is already in config\.toml; /);
  check(addProvider(text, "a b", work, ground), /^the name of a provider/);
  check(addProvider(text, "__proto__", work, ground), /./);
  check(addProvider(text, "x", { kind: "nope" }, ground), /x\.kind is one of: openai, /);
  check(addProvider(text, "x", { model: "m" }, ground), /^config\.toml:21:12: providers\.x needs a kind/);
  check(addProvider("[general", "x", work, ground), /^config\.toml:1:\d+: not valid TOML/);
  check(removeProvider(text, "c", ground), /^there is no providers\.c/);
  check(removeProvider(text, "toString", ground), /^there is no providers\.toString/);
  check(removeProvider("providers.x = { kind = 'acp' }", "x", ground), /edit config\.toml by hand/);
});

test("a comment-like line inside a value is not cut: the edit is refused and nothing is lost", () => {
  const tricky = '[providers.a]\nkind = "acp"\nmodel = """\n# x"""\n[providers.b]\nkind = "acp"\n';
  expect(removeProvider(tricky, "b", ground).kind).toBe("refused");
  const closed = '[providers.a]\nkind = "acp"\nmodel = """\n# x\n# """\n[providers.b]\nkind = "acp"\n# """';
  expect(removeProvider(closed, "b", ground).kind).toBe("refused");
});

test("the first file parses without a warning, empty or with what was found", () => {
  expect(names(firstConfig([]))).toEqual([]);
  const found = [
    { name: "claude", why: "ANTHROPIC_API_KEY is set\n[evil]", settings: { kind: "anthropic", model: "m" } },
    {
      name: "ollama",
      why: "a server answers on port 11434",
      settings: { kind: "ollama", model: "qwen3:8b" },
    },
  ];
  expect(names(firstConfig(found))).toEqual(["claude", "ollama"]);
  expect(parseConfig(firstConfig(found), ground)).toMatchObject({ config: { warnings: [] } });
});

test("the defaults the first file shows are the defaults, and every commented setting is a known one", () => {
  const uncommented = firstConfig([]).replace(/^# (?=[a-z_]+ = |\[)/gm, "");
  const both = [parseConfig(uncommented, ground), parseConfig("", ground)];
  const [shown, real] = both.map((each) =>
    each.kind === "parsed" ? { ...each.config, providers: [] } : each,
  );
  expect(shown).toEqual(real);
  const settings = [...firstConfig([]).matchAll(/^# {3}([a-z_]+ = .*)$/gm)].map(([, line]) => line);
  const provider = parseConfig(`[providers.openai]\n${settings.join("\n")}`, ground);
  const bare = parseConfig("[providers.openai]", ground);
  if (provider.kind === "refused" || bare.kind === "refused") throw new Error(JSON.stringify(provider));
  const spoken = { limits: expect.anything(), price: expect.anything() };
  expect(provider.config.providers).toEqual(bare.config.providers.map((each) => ({ ...each, ...spoken })));
  expect(settings).toHaveLength(11);
});

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "rigs-config-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

test("saves in one step, for the owner's eyes only, and follows a link to where the file is kept", async () => {
  const path = join(folder, "home", "config.toml");
  await saveConfig(path, "# one\n");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await stat(join(folder, "home"))).mode & 0o777).toBe(0o700);
  const link = join(folder, "config.toml");
  await symlink(path, link);
  await saveConfig(link, "# two\n");
  expect((await lstat(link)).isSymbolicLink()).toBe(true);
  expect(await readFile(path, "utf8")).toBe("# two\n");
  expect(await readdir(join(folder, "home"))).toEqual(["config.toml"]);
});

test("a folder in the way is an error and leaves nothing behind", async () => {
  await expect(saveConfig(folder, "x")).rejects.toThrow();
  expect(await readdir(folder)).toEqual([]);
});

test("reads the file; a missing one is the defaults, an open one is warned about", async () => {
  const path = join(folder, "config.toml");
  expect(await readConfig(path, ground.installed)).toEqual(parseConfig("", ground));
  await writeFile(path, "[providers.openai]\n");
  await chmod(path, 0o666);
  const result = await readConfig(path, ground.installed);
  expect(result.kind === "parsed" && result.config.warnings).toEqual([
    `${path} can be written by others, who could send keys elsewhere; chmod 600 ${path}`,
  ]);
  expect(await readConfig(folder, ground.installed)).toEqual({
    kind: "refused",
    faults: [`${folder} cannot be read (EISDIR); check its owner and mode`],
  });
});
