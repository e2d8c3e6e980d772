/** Where the proxy may connect to: strict names, and addresses that are nobody's inside. */
import { BlockList, isIPv4, isIPv6 } from "node:net";

/** tunnel: CONNECT, for https. plain: GET and HEAD of absolute http addresses, for a registry that speaks no https. */
export interface AllowedHost {
  readonly kind: "tunnel" | "plain";
  /** Canonical "host:port". */
  readonly target: string;
}

const label = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const grammar = new RegExp(`^((?:${label}\\.)*${label}):([1-9][0-9]{0,4})$`);

/** Lower-case "host:port" and nothing else: no address in brackets, ending dot, escape, zero byte or leading zero. */
export function parseTarget(target: string): { readonly host: string; readonly port: number } | undefined {
  if (target.length > 260) return undefined;
  const [, host, digits] = grammar.exec(target) ?? [];
  const port = Number(digits);
  return host === undefined || host.length > 253 || port > 65_535 ? undefined : { host, port };
}

/** An entry of an allow-list: "host:port", or "http://host:port" for plain http. Undefined when it is neither. */
export function parseAllowed(entry: string): AllowedHost | undefined {
  const plain = /^http:\/\/([^/]*)\/?$/.exec(entry)?.[1];
  const target = plain ?? entry;
  if (parseTarget(target) === undefined) return undefined;
  return { kind: plain === undefined ? "tunnel" : "plain", target };
}

const never = new BlockList();
/** Link-local (cloud metadata lives there), multicast, broadcast, "this network". */
for (const [network, bits] of [
  ["0.0.0.0", 8],
  ["169.254.0.0", 16],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
] as const)
  never.addSubnet(network, bits, "ipv4");
for (const [network, bits] of [
  ["::", 128],
  ["fe80::", 10],
  ["ff00::", 8],
] as const)
  never.addSubnet(network, bits, "ipv6");

const inner = new BlockList();
for (const [network, bits] of [
  ["127.0.0.0", 8],
  ["10.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["100.64.0.0", 10],
  ["192.0.0.0", 24],
  ["198.18.0.0", 15],
] as const)
  inner.addSubnet(network, bits, "ipv4");
for (const [network, bits] of [
  ["::1", 128],
  ["fc00::", 7],
  ["fec0::", 10],
  ["64:ff9b:1::", 48],
] as const)
  inner.addSubnet(network, bits, "ipv6");

export type Reach = "public" | "private" | "never";

/** private: this machine or a network behind it. never: not even when asked for by name. */
export function reachOf(address: string): Reach {
  const embedded = embeddedIPv4(address);
  if (embedded !== undefined) return reachOf(embedded);
  const family = isIPv4(address) ? "ipv4" : isIPv6(address) ? "ipv6" : undefined;
  if (family === undefined || never.check(address, family)) return "never";
  return inner.check(address, family) ? "private" : "public";
}

/** The IPv4 address that an IPv6 one leads to: mapped (::ffff:0:0/96), NAT64 (64:ff9b::/96), 6to4 (2002::/16). */
function embeddedIPv4(address: string): string | undefined {
  if (!isIPv6(address)) return undefined;
  const words = wordsOf(address);
  const quad = (high = 0, low = 0) => [high >> 8, high & 255, low >> 8, low & 255].join(".");
  const head = words.slice(0, 6).join(":");
  if (head === "0:0:0:0:0:65535" || head === `${0x64}:${0xff9b}:0:0:0:0`) return quad(words[6], words[7]);
  if (words[0] === 0x2002) return quad(words[1], words[2]);
  return undefined;
}

function wordsOf(address: string): readonly number[] {
  const plain = address.split("%")[0] ?? "";
  const hexadecimal = plain.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...quad) => {
    const [a = 0, b = 0, c = 0, d = 0] = quad.slice(0, 4).map(Number);
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
  const [left = "", right] = hexadecimal.split("::");
  const parse = (half: string) =>
    half
      .split(":")
      .filter(Boolean)
      .map((word) => Number.parseInt(word, 16));
  if (right === undefined) return parse(left);
  const [head, tail] = [parse(left), parse(right)];
  return [...head, ...Array(8 - head.length - tail.length).fill(0), ...tail];
}
