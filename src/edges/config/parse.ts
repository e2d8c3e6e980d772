import { parse as parseToml, TomlError } from "smol-toml";
import type { z } from "zod";
import type { Config, ProviderConfig } from "./config.ts";
import { type AgentKind, kindOfName, type ProviderKind, providerKinds } from "./kind.ts";
import { columnOf, lineOf } from "./place.ts";
import {
  assayerOf,
  FileShape,
  type FileWords,
  keysAt,
  type ProviderWords,
  polecatOf,
  providerOf,
} from "./shape.ts";

/** `faults`: one line each, with place and remedy, at least one. No received text is repeated in them: it may be a key. */
export type ParsedConfig =
  | { readonly kind: "parsed"; readonly config: Config }
  | { readonly kind: "refused"; readonly faults: readonly string[] };

/** `place` names the file in messages; `installed` are the agent CLIs that this version can drive and that were found. */
export interface Ground {
  readonly place: string;
  readonly installed: ReadonlySet<AgentKind>;
}

/** Largest file believed, in characters. */
const charactersMax = 1_000_000;

/** An empty text gives the defaults. */
export function parseConfig(text: string, ground: Ground): ParsedConfig {
  if (text.length > charactersMax)
    return refused(`${ground.place} is larger than ${charactersMax} characters`);
  const toml = readToml(text, ground.place);
  if (toml.kind === "broken") return refused(toml.why);
  const words = FileShape.safeParse(toml.value);
  if (!words.success) {
    const faults = words.error.issues.flatMap((issue) => describe(issue, text, ground.place));
    return { kind: "refused", faults: [...new Set(faults)].slice(0, 20) };
  }
  return assemble(words.data, text, ground);
}

function refused(fault: string): ParsedConfig {
  return { kind: "refused", faults: [fault] };
}

type Toml =
  | { readonly kind: "whole"; readonly value: unknown }
  | { readonly kind: "broken"; readonly why: string };

/** The library's message ends in the source line, which may hold a key: only its first line is used. */
function readToml(text: string, place: string): Toml {
  try {
    return { kind: "whole", value: parseToml(text, { unsafeKeyBehaviour: "throw", maxDepth: 20 }) };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [first = ""] = error.message.split("\n");
    const what = first.replace(/^Invalid TOML document: /, "").replace(/["'`].*["'`]/g, "…");
    return { kind: "broken", why: `${place}:${error.line}:${error.column}: not valid TOML: ${what}` };
  }
}

function assemble(words: FileWords, text: string, ground: Ground): ParsedConfig {
  const faults: string[] = [];
  const providers: ProviderConfig[] = [];
  for (const [name, each] of Object.entries(words.providers ?? {})) {
    const kind = each.kind ?? kindOfName(name, ground.installed);
    const at = placed(text, ["providers", name], ground.place);
    const found = kind === undefined ? [missingKind(name)] : contradictions(name, kind, each);
    faults.push(...found.map((fault) => `${at}: ${fault}`));
    if (kind !== undefined) providers.push(providerOf(name, kind, each));
  }
  if (faults.length > 0) return { kind: "refused", faults };
  return {
    kind: "parsed",
    config: {
      general: {
        workspace: words.general?.workspace ?? "~/.rigs",
        logLevel: words.general?.log_level ?? "info",
      },
      providers,
      assayer: assayerOf(words.assayer),
      routing: { strategy: words.routing?.strategy ?? "balanced" },
      polecat: polecatOf(words.polecat),
      environment: { registries: words.environment?.registries ?? [] },
      warnings: providers.flatMap(warningsOf),
    },
  };
}

function missingKind(name: string): string {
  return `providers.${name} needs a kind, one of: ${providerKinds.join(", ")}`;
}

function contradictions(name: string, kind: ProviderKind, words: ProviderWords): readonly string[] {
  const {
    threshold_yellow: yellow,
    threshold_red: red,
    retry_base_seconds: base,
    retry_max_seconds: max,
  } = words;
  const found: string[] = [];
  if (yellow !== undefined && red !== undefined && red > yellow)
    found.push(
      `providers.${name}: threshold_red (${red}) is above threshold_yellow (${yellow}); both are fractions remaining`,
    );
  if (base !== undefined && max !== undefined && base > max)
    found.push(`providers.${name}: retry_base_seconds (${base}) is above retry_max_seconds (${max})`);
  if (words.script !== undefined && kind !== "scripted")
    found.push(`providers.${name}: script belongs to kind = "scripted", this one is ${kind}`);
  return found;
}

function warningsOf({ name, baseUrl, apiKeyEnv }: ProviderConfig): readonly string[] {
  if (baseUrl === undefined || apiKeyEnv === undefined) return [];
  const { protocol, hostname } = new URL(baseUrl);
  if (protocol === "https:" || /^(localhost|127\.[\d.]+|\[::1\])$/.test(hostname)) return [];
  return [
    `providers.${name}: the key in ${apiKeyEnv} travels unencrypted to ${hostname}; use https if the server has it`,
  ];
}

function describe(issue: z.core.$ZodIssue, text: string, place: string): readonly string[] {
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((key) => `${placed(text, [...path, key], place)}: ${unknownKey(path, key)}`);
  const at = placed(text, path, place);
  if (issue.code === "invalid_key")
    return [`${at}: the name of a provider has 1 to 64 letters, digits, "-" or "_"`];
  const isAbsent = issue.code === "invalid_type" && issue.input === undefined && path.includes("price");
  const named = path.map((part) => (/^\d+$/.test(part) ? `[${Number(part) + 1}]` : part)).join(".");
  return [`${at}: ${named} ${isAbsent ? "is missing" : issue.message}`];
}

function unknownKey(path: readonly string[], key: string): string {
  const table = path.length === 0 ? "the file" : `[${path.join(".")}]`;
  if (/^(api_?)?(key|token|secret)$/i.test(key))
    return `${table} holds no keys: put the key into an environment variable and name it with api_key_env`;
  const known = keysAt(path);
  const near = nearest(key, known);
  const shown = /^[\w-]{1,40}$/.test(key) ? key : "this key";
  return `${shown} is not known in ${table}; ${near === undefined ? `known are: ${known.join(", ")}` : `did you mean ${near}?`}`;
}

function placed(text: string, path: readonly string[], place: string): string {
  const line = lineOf(text, path);
  if (line === undefined) return place;
  const column = columnOf(text, line, path);
  return column === undefined ? `${place}:${line}` : `${place}:${line}:${column}`;
}

/** The known word within two edits (one for short words), or one that begins alike. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const bound = word.length <= 4 ? 1 : 2;
  const near = known.map((each) => ({ each, edits: editsBetween(word.toLowerCase(), each) }));
  near.sort((left, right) => left.edits - right.edits);
  const [best] = near;
  if (best !== undefined && best.edits <= bound) return best.each;
  const head = word.toLowerCase().replaceAll("-", "_");
  return known.find(
    (each) => each === head || (head.length >= 4 && (each.startsWith(head) || head.startsWith(each))),
  );
}

/** Insertions, deletions, changes and swaps of neighbours; words here are short, longer ones are cut at 64. */
function editsBetween(left: string, right: string): number {
  const from = left.slice(0, 64);
  let above: readonly number[] = [];
  let row: readonly number[] = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let index = 0; index < from.length; index++) {
    const next = [index + 1];
    for (let column = 0; column < right.length; column++) {
      const change = at(row, column) + (from[index] === right[column] ? 0 : 1);
      const isSwap = index > 0 && from[index] === right[column - 1] && from[index - 1] === right[column];
      const swap = isSwap ? at(above, column - 1) + 1 : change;
      next.push(Math.min(change, swap, at(row, column + 1) + 1, at(next, column) + 1));
    }
    above = row;
    row = next;
  }
  return at(row, right.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? 0;
}
