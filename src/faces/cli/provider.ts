import { unreachable } from "../../kit/assert.ts";
import { addAdvice, type House, type ProviderLine, type ProviderWish, type Terminal } from "../house.ts";
import { closedWords } from "./dial.ts";
import { exits } from "./exit.ts";
import { closureOf } from "./gauge.ts";
import { say } from "./paint.ts";
import { oneLine, type Tone } from "./sentences.ts";

interface Json {
  readonly json?: boolean;
}

export async function listProviders({ json }: Json, house: House, terminal: Terminal): Promise<number> {
  const lines = await house.providers();
  const closures = lines.length === 0 ? new Map<string, string>() : await closuresIn(house);
  if (json)
    terminal.out(JSON.stringify(lines.map((line) => ({ ...line, closed: closures.get(line.name) ?? null }))));
  else if (lines.length === 0) terminal.out(`no providers are configured. Add one with: ${addAdvice}`);
  else
    for (const line of lines) {
      const closed = line.state === "usable" ? closures.get(line.name) : undefined;
      if (closed !== undefined) {
        const head = `${line.name}  ${line.kind}  ${line.model}  ${line.tier}`;
        say(terminal, "out", { tone: "bad", text: `${head}  closed ${closed}` });
        continue;
      }
      const tone: Tone = line.state === "usable" ? "plain" : "warn";
      const why = line.why === "" || line.state === "disabled" ? "" : `: ${oneLine(line.why)}`;
      const price = line.state === "usable" ? priceWords(line.price) : "";
      const text = `${line.name}  ${line.kind}  ${line.model}  ${line.tier}  ${line.state}${why}${price}`;
      say(terminal, "out", { tone, text });
    }
  return exits.done;
}

/** Providers whom nobody asks for a while: until when and why, in one line. */
async function closuresIn(house: House): Promise<ReadonlyMap<string, string>> {
  const { providers } = await house.tanks();
  const now = house.clock.now();
  return new Map(
    providers.flatMap((provider) => {
      const closure = closureOf(provider);
      return closure === undefined ? [] : [[provider.name, closedWords(closure, provider, now)]];
    }),
  );
}

/** In USD for a million tokens, and where that is from. */
function priceWords(pricing: ProviderLine["price"]): string {
  switch (pricing.kind) {
    case "known": {
      const { inputUsd, cachedInputUsd, outputUsd } = pricing.price;
      const source = pricing.source === "configuration" ? "configured" : pricing.source;
      return `  (price: $${inputUsd} in, $${cachedInputUsd} cached, $${outputUsd} out a million; ${source})`;
    }
    case "unknown":
      return `  (price unknown: ${oneLine(pricing.why)}; a USD budget cannot count it)`;
    case "nothing":
      return "  (costs nothing)";
    default:
      return unreachable(pricing);
  }
}

export async function addProvider(
  name: string,
  { json, ...wish }: ProviderWish & Json,
  house: House,
  terminal: Terminal,
): Promise<number> {
  const text = await house.addProvider(name, wish);
  terminal.out(json ? JSON.stringify({ provider: name, added: true, text }) : text);
  return exits.done;
}

export async function removeProvider(
  name: string,
  { json }: Json,
  house: House,
  terminal: Terminal,
): Promise<number> {
  const text = await house.removeProvider(name);
  terminal.out(json ? JSON.stringify({ provider: name, removed: true, text }) : text);
  return exits.done;
}

export async function testProvider(
  name: string,
  { json }: Json,
  house: House,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const { isGood, text } = await house.testProvider(name, signal);
  if (json) terminal.out(JSON.stringify({ provider: name, isGood, text }));
  else say(terminal, "out", { tone: isGood ? "good" : "bad", text: oneLine(text) });
  return isGood ? exits.done : exits.failed;
}
