import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { Secret } from "../config/secret.ts";

/** Where packages may come from: what the host's own package managers are configured for, and what config.toml adds. */
export interface Registries {
  readonly npm: {
    readonly registry: string;
    /** "@scope" to address. */
    readonly scopes: Readonly<Record<string, string>>;
    /** npmrc lines with a secret, "//host/:_authToken=...". They are written into the fetch jail's own file and nowhere else. */
    readonly credentials: readonly string[];
    /** Host path of certificates to trust beside the usual ones. */
    readonly certificates: string | undefined;
  };
  readonly pip: {
    /** The first is `index-url`. May carry user and password; may be `file:` folders. */
    readonly indexes: readonly string[];
    /** `find-links`: folders of the host, or addresses. */
    readonly links: readonly string[];
    readonly certificates: string | undefined;
  };
  /** `[environment] registries` of config.toml: "host", "host:port" or "http://host:port". */
  readonly allowed: readonly string[];
}

export const publicRegistries: Registries = {
  npm: { registry: "https://registry.npmjs.org/", scopes: {}, credentials: [], certificates: undefined },
  pip: { indexes: ["https://pypi.org/simple"], links: [], certificates: undefined },
  allowed: [],
};

/** The line that a person adds so that a host may be asked. */
export function lineFor(host: string): string {
  return `add registries = ["${host}"] under [environment] in config.toml if it is meant`;
}

/**
 * An address as the jail's allow-list spells it: "host:port" for https, "http://host:port" for plain http.
 * Undefined for anything else. A bare "host" or "host:port" means https.
 */
export function hostOf(address: string): string | undefined {
  const whole = /^[a-z][a-z0-9+.-]*:\/\//i.test(address) ? address : `https://${address}`;
  if (!URL.canParse(whole)) return undefined;
  const { protocol, hostname, port } = new URL(whole);
  if (hostname === "") return undefined;
  if (protocol === "https:") return `${hostname}:${port || "443"}`;
  return protocol === "http:" ? `http://${hostname}:${port || "80"}` : undefined;
}

/** Where the public index keeps its files. */
const companions: Readonly<Record<string, readonly string[]>> = {
  "pypi.org:443": ["files.pythonhosted.org:443"],
};

function hostsOf(addresses: readonly string[]): readonly string[] {
  const hosts = addresses.flatMap((address) => hostOf(address) ?? []);
  return [...new Set(hosts.flatMap((host) => [host, ...(companions[host] ?? [])]))];
}

export function npmHosts({ npm, allowed }: Registries): readonly string[] {
  return hostsOf([npm.registry, ...Object.values(npm.scopes), ...allowed]);
}

export function pipHosts({ pip, allowed }: Registries): readonly string[] {
  return hostsOf([...pip.indexes, ...pip.links, ...allowed].filter((address) => !isFolder(address)));
}

/** A `file:` address or an absolute path. */
export function isFolder(address: string): boolean {
  return address.startsWith("file:") || address.startsWith("/");
}

/** Hides every secret of the configuration, and the user part of any address. */
export function concealer({ npm, pip }: Registries): (text: string) => string {
  const addresses = [npm.registry, ...Object.values(npm.scopes), ...pip.indexes, ...pip.links];
  const values = [...npm.credentials.flatMap(valuesOf), ...addresses.flatMap(passwordsOf)];
  const secrets = values.map((value) => new Secret(value));
  return (text) =>
    secrets.reduce((shown, secret) => secret.conceal(shown), text).replace(/\/\/[^/@\s'"]+@/g, "//[secret]@");
}

/** The value of a credential line, and what it says when it is base64 ("user:password"). */
function valuesOf(line: string): readonly string[] {
  const value = line.slice(line.indexOf("=") + 1).trim();
  if (!/:(_auth|_password)\s*=/.test(line)) return [value];
  const plain = Buffer.from(value, "base64").toString();
  return [value, plain, ...(plain.includes(":") ? [plain.slice(plain.indexOf(":") + 1)] : [])];
}

function passwordsOf(address: string): readonly string[] {
  if (!URL.canParse(address)) return [];
  const { password } = new URL(address);
  if (password === "") return [];
  return [password, decoded(password)];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

type Variables = Readonly<Record<string, string | undefined>>;

/**
 * Asks the host's npm and pip for their configuration (outside any repository) and reads the credentials for these
 * registries from npm's files. What is not installed or does not answer within ten seconds has the public defaults.
 */
export async function readRegistries(variables: Variables, allowed: readonly string[]): Promise<Registries> {
  const [npm, pip] = await Promise.all([
    answer("npm", ["config", "list", "--json"], variables),
    answer("python3", ["-m", "pip", "config", "list"], variables),
  ]);
  return { npm: await parseNpm(npm, variables), pip: parsePip(pip, variables), allowed };
}

function answer(command: string, words: readonly string[], variables: Variables): Promise<string> {
  const options = { cwd: "/", env: { ...variables }, timeout: 10_000, maxBuffer: 4_194_304 };
  return new Promise((done) => {
    execFile(command, words, options, (error, stdout) => done(error === null ? stdout : ""));
  });
}

async function parseNpm(text: string, variables: Variables): Promise<Registries["npm"]> {
  const config = parseObject(text);
  const scopes: Record<string, string> = {};
  for (const [name, value] of Object.entries(config))
    if (/^@[^:]+:registry$/.test(name) && typeof value === "string")
      scopes[name.slice(0, -":registry".length)] = value;
  const registry = textOf(config.registry) ?? publicRegistries.npm.registry;
  const files = [textOf(config.globalconfig), textOf(config.userconfig)];
  const lines = (await Promise.all(files.map(linesOf))).flat();
  const hosts = [registry, ...Object.values(scopes)].map((address) => new URL(address).host);
  return {
    registry,
    scopes,
    credentials: credentialsOf([...lines, ...credentialVariables(variables)], hosts, variables),
    certificates: textOf(config.cafile) ?? variables.NODE_EXTRA_CA_CERTS ?? variables.SSL_CERT_FILE,
  };
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(text)) as Readonly<Record<string, unknown>>;
  } catch {
    return {};
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

async function linesOf(path: string | undefined): Promise<readonly string[]> {
  if (path === undefined) return [];
  try {
    return (await readFile(path, "utf8")).split(/\r?\n/).map((line) => line.trim());
  } catch {
    return [];
  }
}

/** npm reads `npm_config_//host/:_authToken` from the environment too. */
function credentialVariables(variables: Variables): readonly string[] {
  return Object.entries(variables).flatMap(([name, value]) =>
    /^npm_config_\/\//i.test(name) ? [`${name.slice("npm_config_".length)}=${value ?? ""}`] : [],
  );
}

/** The credential lines for these hosts, with `${NAME}` filled in as npm does it. The last line for a name wins, as with npm. */
export function credentialsOf(
  lines: readonly string[],
  hosts: readonly string[],
  variables: Variables,
): readonly string[] {
  const found = new Map<string, string>();
  for (const line of lines) {
    const [, name, host, value] =
      /^(\/\/([^/:]+(?::\d+)?)\/.*:(?:_authToken|_auth|_password|username|email))\s*=\s*(.*)$/.exec(line) ??
      [];
    if (name === undefined || host === undefined || value === undefined || !hosts.includes(host)) continue;
    const plain = value
      .replace(/^"(.*)"$/, "$1")
      .replace(/\$\{([^}]+)\}/g, (_, key: string) => variables[key] ?? "");
    if (plain !== "") found.set(name, plain);
  }
  return [...found].map(([name, value]) => `${name}=${value}`);
}

/** `pip config list` prints `section.key='value'`; later sections win as pip lets them. */
export function parsePip(text: string, variables: Variables): Registries["pip"] {
  const values = new Map<string, string>();
  for (const section of ["global", "download", ":env:"])
    for (const line of text.split("\n")) {
      const [, where, key, value] = /^(.+?)\.([a-z-]+)=(['"])(.*)\3$/.exec(line)?.toSpliced(3, 1) ?? [];
      if (where === section && key !== undefined && value !== undefined)
        values.set(key, value.replaceAll("\\n", " "));
    }
  const words = (key: string) => (values.get(key) ?? "").split(/\s+/).filter((word) => word !== "");
  const index = words("index-url")[0] ?? publicRegistries.pip.indexes[0] ?? "";
  return {
    indexes: [index, ...words("extra-index-url")],
    links: words("find-links"),
    certificates: words("cert")[0] ?? variables.REQUESTS_CA_BUNDLE ?? variables.SSL_CERT_FILE,
  };
}
