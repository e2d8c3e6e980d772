import type { House, Terminal } from "../house.ts";
import { exits } from "./exit.ts";

export async function listProviders(
  options: { readonly json?: boolean },
  house: House,
  terminal: Terminal,
): Promise<number> {
  const lines = await house.providers();
  if (options.json) terminal.out(JSON.stringify(lines));
  else if (lines.length === 0)
    terminal.out(
      "no providers are configured. Add one with: rigs provider add NAME --kind openai --model MODEL --api-key-env VARIABLE",
    );
  else
    for (const line of lines)
      terminal.out(
        `${line.name}  ${line.kind}  ${line.model}  ${line.tier}  ${line.state}${line.why === "" ? "" : `: ${line.why}`}${line.state === "usable" && !line.priceKnown ? "  (price unknown: USD budgets cannot count it)" : ""}`,
      );
  return exits.done;
}

export async function addProvider(
  name: string,
  settings: Readonly<Record<string, string>>,
  options: { readonly json?: boolean },
  house: House,
  terminal: Terminal,
): Promise<number> {
  const text = await house.addProvider(name, settings);
  terminal.out(options.json ? JSON.stringify({ provider: name, added: true }) : text);
  return exits.done;
}

export async function removeProvider(
  name: string,
  options: { readonly json?: boolean },
  house: House,
  terminal: Terminal,
): Promise<number> {
  const text = await house.removeProvider(name);
  terminal.out(options.json ? JSON.stringify({ provider: name, removed: true }) : text);
  return exits.done;
}

export async function testProvider(
  name: string,
  options: { readonly json?: boolean },
  house: House,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const { isGood, text } = await house.testProvider(name, signal);
  terminal.out(options.json ? JSON.stringify({ provider: name, isGood, text }) : text);
  return isGood ? exits.done : exits.failed;
}
