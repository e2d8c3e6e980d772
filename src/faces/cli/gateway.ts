/** Commands about the gateway: serving it, and who may call it. */
import { type House, type Terminal, type TokenLine, UsageError } from "../house.ts";
import { exits } from "./exit.ts";
import { grouped } from "./sentences.ts";

interface Format {
  readonly json?: boolean;
}

export async function serveGateway(
  options: Format & { readonly host?: string; readonly port: number; readonly patience: number },
  house: House,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const say = (line: string) =>
    terminal.out(options.json ? JSON.stringify({ type: "gateway-said", at: house.clock.now(), line }) : line);
  const { host, port, patience } = options;
  await house.gateway({ host, port, patienceMs: patience * 1_000 }, say, signal);
  return exits.done;
}

export async function createToken(
  name: string,
  options: Format & { readonly budgetUsd?: number; readonly budgetTokens?: number; readonly rpm?: number },
  house: House,
  terminal: Terminal,
): Promise<number> {
  if (!/^[\w-]{1,64}$/.test(name))
    throw new UsageError('the name of a token has 1 to 64 letters, digits, "-" or "_"');
  const { budgetUsd: usdMax, budgetTokens: tokensMax, rpm } = options;
  const token = await house.createToken({ name, usdMax, tokensMax, rpm });
  if (options.json) terminal.out(JSON.stringify({ name, token }));
  else {
    terminal.out(token);
    terminal.err(`this is shown once and kept nowhere; take it back with: rigs gateway token revoke ${name}`);
  }
  return exits.done;
}

export async function listTokens(options: Format, house: House, terminal: Terminal): Promise<number> {
  const tokens = await house.tokens();
  if (options.json) {
    terminal.out(JSON.stringify({ tokens: tokens.map(documentOf) }));
    return exits.done;
  }
  if (tokens.length === 0) terminal.out("no token yet: rigs gateway token create NAME");
  for (const token of tokens) terminal.out(lineOf(token));
  return exits.done;
}

function documentOf(token: TokenLine): object {
  const { usdMax = null, tokensMax = null, rpm = null, ...rest } = token;
  return { ...rest, usdMax, tokensMax, rpm };
}

function lineOf(token: TokenLine): string {
  const { name, isRevoked, isUnknown, calls, tokens, usd, tokensMax, usdMax, rpm } = token;
  const ofTokens = tokensMax === undefined ? "" : ` of ${grouped(tokensMax)}`;
  const ofUsd = usdMax === undefined ? "" : ` of ${usdMax}`;
  const money = usd > 0 || usdMax !== undefined ? `, ${usd.toFixed(4)}${ofUsd} USD` : "";
  const rate = rpm === undefined ? "" : `, ${rpm} requests a minute at most`;
  const isBounded = tokensMax !== undefined || usdMax !== undefined;
  const refused = isBounded ? ": its budget counts as used up, make a new token" : "";
  const unknown = isUnknown ? `, and what could not be read of callers.book${refused}` : "";
  const state = isRevoked ? "  revoked" : "";
  return `${name}${state}  ${grouped(calls)} call${calls === 1 ? "" : "s"}, ${grouped(tokens)}${ofTokens} tokens${money}${rate}${unknown}`;
}

export async function revokeToken(
  name: string,
  options: Format,
  house: House,
  terminal: Terminal,
): Promise<number> {
  await house.revokeToken(name);
  terminal.out(options.json ? JSON.stringify({ revoked: name }) : `token ${name} is no longer good`);
  return exits.done;
}
