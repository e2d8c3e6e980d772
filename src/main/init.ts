import { type FoundProvider, firstConfig } from "../edges/config/first.ts";
import { saveConfig } from "../edges/config/write.ts";
import { addAdvice, UsageError } from "../faces/house.ts";
import { isThere, remedyOf, requireHome } from "./home.ts";
import type { Inside } from "./inside.ts";

/** Writes the first configuration from what this machine shows by itself; an existing one is kept as it is. */
export async function initialise(ask: { readonly git: boolean }, inside: Inside): Promise<readonly string[]> {
  const lines: string[] = [];
  const { places, variables, folder } = inside;
  if (isThere(places.config)) lines.push(`kept ${places.config} as it is`);
  else {
    requireHome(places.home);
    const found = [...byKeys(variables), ...(await localModels())];
    await saveConfig(places.config, firstConfig(found)).catch((error: NodeJS.ErrnoException) => {
      throw new UsageError(`cannot write ${places.config} (${error.code}): ${remedyOf(error.code)}`);
    });
    lines.push(`wrote ${places.config}`);
    for (const provider of found) lines.push(`found ${provider.name}: ${provider.why}`);
    if (found.length === 0) lines.push(`found no key and no local model; add one with: ${addAdvice}`);
  }
  if (ask.git) lines.push(...(await repositoryIn(folder, variables)));
  lines.push("next: rigs doctor");
  return lines;
}

/** Makes the folder a repository with a commit; one that has commits stays as it is. */
async function repositoryIn(folder: string, variables: Inside["variables"]): Promise<readonly string[]> {
  const { openRepositories } = await import("../edges/git/repositories.ts");
  const repositories = openRepositories({ root: "/nonexistent", surroundings: variables });
  const known = await repositories.survey(folder).catch(() => undefined);
  if (known !== undefined) return [`kept the repository ${known.top} as it is: it has commits`];
  const { initialiseRepository } = await import("../edges/git/initialise.ts");
  const made = await initialiseRepository(folder, { surroundings: variables });
  const files = `${made.files} file${made.files === 1 ? "" : "s"}`;
  return [
    `made a git repository in ${made.top}, first commit of ${files} as ${made.author}`,
    ...(made.leftOut.length > 0 ? [`left out of it: ${made.leftOut.join(", ")}`] : []),
  ];
}

/** Providers whose usual key variable is set. The model ids are a start, and stand in the file to be changed. */
function byKeys(variables: Inside["variables"]): readonly FoundProvider[] {
  const known = [
    { name: "anthropic", variable: "ANTHROPIC_API_KEY", model: "claude-sonnet-4-5" },
    { name: "openai", variable: "OPENAI_API_KEY", model: "gpt-5-mini" },
    { name: "deepseek", variable: "DEEPSEEK_API_KEY", model: "deepseek-chat" },
  ];
  return known
    .filter(({ variable }) => (variables[variable] ?? "").trim() !== "")
    .map(({ name, variable, model }) => ({
      name,
      why: `${variable} is set; check that the model is one your account has`,
      settings: { kind: name, model, api_key_env: variable },
    }));
}

/** Models that an Ollama on this machine offers; none when nothing answers within half a second. */
async function localModels(): Promise<readonly FoundProvider[]> {
  try {
    const response = await fetch("http://127.0.0.1:11434/api/tags", { signal: AbortSignal.timeout(500) });
    const body = (await response.json()) as { readonly models?: readonly { readonly name?: unknown }[] };
    const model = body.models?.find(({ name }) => typeof name === "string")?.name;
    if (typeof model !== "string") return [];
    return [
      {
        name: "ollama",
        why: "an Ollama answers on this machine",
        settings: { kind: "ollama", model, tier: "cheap" },
      },
    ];
  } catch {
    return [];
  }
}
