/** The file that `rigs init` writes: every section explained, the providers that were found switched on. */
import { stringify } from "smol-toml";
import type { NewProvider } from "./write.ts";

/** A provider `init` found by itself; `why` becomes its comment, one line. */
export interface FoundProvider {
  readonly name: string;
  readonly why: string;
  readonly settings: NewProvider;
}

/** Parses without a fault or a warning, with or without providers. */
export function firstConfig(found: readonly FoundProvider[]): string {
  return `${head}${found.map(tableOf).join("")}${found.length === 0 ? example : ""}${tail}`;
}

function tableOf({ name, why, settings }: FoundProvider): string {
  const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
  const comment = why.replace(/[\u0000-\u001f\u007f]+/g, " ");
  return `# ${comment}\n[providers.${name}]\n${stringify(given).trimEnd()}\n\n`;
}

const head = `# Rigs: providers, routing and bounds. Keys never stand here: api_key_env names the variable that holds one.
# A line that starts with "# " and a setting shows its default; take the "# " away to change it.

[general]
# workspace = "~/.rigs"
# log_level = "info"            # trace, debug, info, warn, error

# --- Providers, tried from top to bottom. One table each; the name is yours.
# kind: openai, anthropic, gemini, deepseek, ollama, triton, gguf, openai-compatible, scripted
# Further settings of a provider:
#   tier = "standard"            # cheap, standard, strong
#   limits = { rpm = 60, itpm = 100000, otpm = 20000, concurrency = 4 }
#                                # and burst_seconds = 10 where so many seconds' worth may come at once; else one second's is taken for safe
#   price = { input = 3, cached_input = 0.3, output = 15 }   # USD for a million tokens; without it the vendor's list counts, where there is one (rigs provider list)
#   context_tokens = 128000      # what a prompt may take; ollama: 32768
#   output_tokens_max = 8192     # bound of one answer
#   threshold_yellow = 0.5       # fraction of a limit remaining: below yellow only high priorities draw,
#   threshold_red = 0.2          # below red only urgent work
#   max_retries = 3
#   retry_base_seconds = 2
#   retry_max_seconds = 60
#   timeout_seconds = 600

`;

const example = `# [providers.work]
# kind = "openai-compatible"
# base_url = "http://127.0.0.1:8080/v1"
# model = "some-model"
# api_key_env = "WORK_KEY"

`;

const tail = `[routing]
# strategy = "balanced"         # conservative, balanced, aggressive

# --- Bounds of the worker's loop on one task.
[polecat]
# repairs = 2                   # repairs before a fresh start
# fresh_starts = 2
# calls_max = 14                # questions to models in all
# context_tokens_max = 12000    # largest prompt

# --- Where dependencies may come from, beside the registries your package managers are configured for.
[environment]
# registries = []
`;
