/** Changes to `config.toml` that keep every comment and every other line as it was. */
import { randomBytes } from "node:crypto";
import { mkdir, open, realpath, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { parse as parseToml, stringify } from "smol-toml";
import { type Ground, type ParsedConfig, parseConfig } from "./parse.ts";
import { type Table, tablesOf } from "./place.ts";

/** `edited`: the whole new text, parsed again and found to differ in this provider only. */
export type Edit =
  | { readonly kind: "edited"; readonly text: string }
  | { readonly kind: "refused"; readonly why: string };

/** The settings `provider add` knows, in the file's own words. */
export interface NewProvider {
  readonly kind?: string | undefined;
  readonly model?: string | undefined;
  readonly base_url?: string | undefined;
  readonly api_key_env?: string | undefined;
  readonly tier?: string | undefined;
  readonly script?: string | undefined;
}

/** A new `[providers.NAME]` table at the end of the text. Refuses a name that is taken and settings that do not parse. */
export function addProvider(text: string, name: string, settings: NewProvider, ground: Ground): Edit {
  const sound = check(text, ground);
  if (sound !== undefined) return sound;
  if (Object.hasOwn(providersOf(text), name))
    return {
      kind: "refused",
      why: `providers.${name} is already in ${ground.place}; remove it first, or edit the file`,
    };
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(name) || name === "__proto__")
    return { kind: "refused", why: `the name of a provider has 1 to 64 letters, digits, "-" or "_"` };
  const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
  const table = `[providers.${name}]\n${stringify(given)}`.trimEnd();
  const before = text.trimEnd();
  const edited = `${before}${before === "" ? "" : "\n\n"}${table}\n`;
  return verified({ text, edited, name, isThere: true }, ground);
}

/** Cuts out the provider's table and its sub-tables, with the comments directly above its header. */
export function removeProvider(text: string, name: string, ground: Ground): Edit {
  const sound = check(text, ground);
  if (sound !== undefined) return sound;
  if (!Object.hasOwn(providersOf(text), name))
    return { kind: "refused", why: `there is no providers.${name} in ${ground.place}` };
  const doomed = tablesOf(text).filter(({ path }) => path[0] === "providers" && path[1] === name);
  if (doomed.length === 0)
    return {
      kind: "refused",
      why: `providers.${name} is not written as a [providers.${name}] table; edit ${ground.place} by hand`,
    };
  const lines = text.split("\n");
  const cut = new Set(doomed.flatMap((table) => linesOf(table, lines)));
  const edited = lines.filter((_line, index) => !cut.has(index)).join("\n");
  return verified({ text, edited: edited.replace(/^\n+/, ""), name, isThere: false }, ground);
}

/** Indexes of the lines that belong to a table: comments that touch its header, but not those that touch the next one. */
function linesOf({ first, last }: Table, lines: readonly string[]): readonly number[] {
  const isComment = (index: number) => /^\s*#/.test(lines[index] ?? "");
  let from = first - 1;
  while (from > 0 && isComment(from - 1)) from--;
  let to = last - 1;
  if (last < lines.length) while (to >= first && isComment(to)) to--;
  return Array.from({ length: to - from + 1 }, (_, offset) => from + offset);
}

type Json = Readonly<Record<string, unknown>>;

function providersOf(text: string): Json {
  return (parseToml(text).providers ?? {}) as Json;
}

function check(text: string, ground: Ground): Edit | undefined {
  return refusal(parseConfig(text, ground));
}

function refusal(parsed: ParsedConfig): Edit | undefined {
  return parsed.kind === "refused"
    ? { kind: "refused", why: parsed.faults[0] ?? "the file cannot be read" }
    : undefined;
}

interface Change {
  readonly text: string;
  readonly edited: string;
  readonly name: string;
  readonly isThere: boolean;
}

/** The edit is by lines, so what it did is looked at through the parser before anybody writes it. */
function verified({ text, edited, name, isThere }: Change, ground: Ground): Edit {
  const broken = refusal(parseConfig(edited, ground));
  if (broken !== undefined) return broken;
  const isOnlyChange = isDeepStrictEqual(without(text, name), without(edited, name));
  if (!isOnlyChange || Object.hasOwn(providersOf(edited), name) !== isThere)
    return {
      kind: "refused",
      why: `providers.${name} cannot be changed without touching its neighbours; edit ${ground.place} by hand`,
    };
  return { kind: "edited", text: edited };
}

function without(text: string, name: string): Json {
  const { providers = {}, ...rest } = parseToml(text) as Json;
  const { [name]: _gone, ...others } = providers as Json;
  return { ...rest, providers: others };
}

/**
 * Replaces the file in one step, readable by its owner only. A link is followed once, so that a file kept elsewhere
 * stays there. A crash leaves the old file or the new one. Rejects with the system's error when the disk refuses.
 */
export async function saveConfig(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const target = await realpath(path).catch(() => path);
  const folder = dirname(target);
  const temporary = join(folder, `.${basename(target)}.${randomBytes(6).toString("hex")}`);
  try {
    {
      await using file = await open(temporary, "wx", 0o600);
      await file.writeFile(text);
      await file.sync();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await using directory = await open(folder, "r");
  await directory.sync();
}
