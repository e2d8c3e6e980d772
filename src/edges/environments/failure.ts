import { headAndTail } from "../../kit/bounded.ts";
import type { JailRun } from "../../ports/jail.ts";
import { lineFor } from "./registries.ts";

/** One line for people and the output behind it. */
export interface Failure {
  readonly why: string;
  readonly log: string;
}

const logCharactersMax = 8_000;

/** Undefined when the run did what it was asked for. `hosts` are those it was allowed to reach. */
export function failureOf(step: string, run: JailRun, hosts: readonly string[]): Failure | undefined {
  if (run.kind !== "ended") return { why: `${step} could not start: ${run.why}`, log: "" };
  if (run.exitCode === 0 && run.limit === undefined) return undefined;
  const log = headAndTail(`${run.output.stdout}\n${run.output.stderr}`.trim(), logCharactersMax);
  return { why: whyOf(step, run, hosts), log };
}

function whyOf(step: string, run: Extract<JailRun, { kind: "ended" }>, hosts: readonly string[]): string {
  if (run.limit !== undefined) return `${step} hit the jail's limit of ${run.limit}`;
  const stranger = run.refusedHosts.find((host) => !hosts.some((allowed) => isSame(allowed, host)));
  if (stranger !== undefined)
    return `${step} asked for ${stranger}, which is not one of the configured registries; ${lineFor(stranger)}`;
  const text = `${run.output.stderr}\n${run.output.stdout}`;
  const registries = hosts.length === 0 ? "the registry" : hosts.slice(0, 3).join(", ");
  const [unresolved] = run.refusedHosts;
  if (unresolved !== undefined)
    return `${step} could not reach ${unresolved}: its name has no address or a private one; check the network, or name it as a private host in config.toml`;
  for (const [pattern, sentence] of sentences)
    if (pattern.test(text)) return `${step}: ${sentence(registries, firstError(text))}`;
  return `${step} ended with ${run.exitCode ?? "a signal"}: ${firstError(text)}`;
}

function isSame(allowed: string, host: string): boolean {
  return allowed === host || allowed.replace("http://", "") === host || `${allowed}:443` === host;
}

type Sentence = (registries: string, first: string) => string;

/** What package managers say, the more certain first. npm 9 to 11 and pip 23 were read. */
const sentences: readonly (readonly [RegExp, Sentence])[] = [
  [
    /EINTEGRITY|DO NOT MATCH THE HASHES/,
    (_, first) =>
      `a package is not the one that the lockfile was written for (${first}); do not go on before you know why`,
  ],
  [
    /code E40[13]|ENEEDAUTH|40[13] (?:Client Error|Unauthorized|Forbidden)/,
    (registries) =>
      `${registries} refused the credentials; log in again (npm login, or the address in pip's configuration)`,
  ],
  [
    /can only install packages when your package\.json and|EUSAGE/,
    () => "package.json and the lockfile do not agree; run `npm install` and commit the lockfile",
  ],
  [
    /code (?:E404|ETARGET)/,
    (registries, first) => `${registries} does not have a package of the lockfile: ${first}`,
  ],
  [
    /ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|ENETUNREACH|socket hang up|code E50[0-9]|Bad Gateway|ProxyError|Max retries exceeded|NewConnectionError|ConnectTimeout|ReadTimeout|Connection (?:broken|aborted|reset)/,
    (registries) => `${registries} could not be reached; check the network and try again`,
  ],
  [
    /No matching distribution found for ([^\n]+)/,
    (registries, first) => `${registries} has no wheel that fits: ${first}; nothing is built from source`,
  ],
];

function firstError(text: string): string {
  const lines = text.split("\n").map((line) => line.trim());
  const line =
    lines.find((each) => /No matching distribution|^npm (?:error|ERR!) (?:404|notarget|sha)/.test(each)) ??
    lines.find((each) => /^(?:npm )?(?:error|ERR!|ERROR:?)\s+(?!code|A complete log)\S/i.test(each)) ??
    lines.findLast((each) => each !== "") ??
    "no output";
  return line.replace(/^(?:npm )?(?:error|ERR!|ERROR:?)\s+/i, "").slice(0, 200);
}
