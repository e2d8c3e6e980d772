import { posix } from "node:path";

/** What a requirements file asks for, with its `-r` and `-c` files read in, in the order pip reads them. */
export type Requirements =
  | {
      readonly kind: "read";
      readonly requirements: readonly string[];
      readonly constraints: readonly string[];
      /** Index URLs that the files themselves name. */
      readonly indexes: readonly string[];
      /** Wheels that are named by URL. */
      readonly urls: readonly string[];
      /** The project itself is asked for (`-e .`). */
      readonly isProjectAsked: boolean;
      /** Every file that was read, by path relative to the top. */
      readonly files: ReadonlyMap<string, Uint8Array>;
    }
  /** Something that would run package code while there is a network, or that lies outside what pip may be given. */
  | { readonly kind: "refused"; readonly why: string };

const filesMax = 50;
const linesMax = 20_000;

type Line =
  | { readonly kind: "nothing" }
  | { readonly kind: "requirement"; readonly text: string }
  | { readonly kind: "option"; readonly text: string }
  | { readonly kind: "include"; readonly path: string; readonly as: "requirements" | "constraints" }
  | { readonly kind: "index"; readonly url: string }
  | { readonly kind: "url"; readonly url: string; readonly text: string }
  | { readonly kind: "project" }
  | { readonly kind: "refused"; readonly why: string };

/** Reads `top` and what it includes. `read` gives undefined for a file that is not there. */
export async function readRequirements(
  top: string,
  read: (path: string) => Promise<Uint8Array | undefined>,
): Promise<Requirements> {
  const files = new Map<string, Uint8Array>();
  const found = {
    requirements: [] as string[],
    constraints: [] as string[],
    indexes: [] as string[],
    urls: [] as string[],
  };
  let isProjectAsked = false;
  const waiting: { path: string; as: "requirements" | "constraints"; by: string }[] = [
    { path: top, as: "requirements", by: top },
  ];
  const begun = new Set<string>();
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { path, as, by } = next;
    if (begun.has(`${as} ${path}`)) continue;
    begun.add(`${as} ${path}`);
    if (begun.size > filesMax) return refused(by, `more than ${filesMax} files are read in`);
    const bytes = await read(path);
    if (bytes === undefined) return refused(by, `it reads in ${path}, which is not in the repository`);
    files.set(path, bytes);
    for (const { number, text } of logicalLines(bytes)) {
      if (number > linesMax) return refused(path, `more than ${linesMax} lines`);
      const line = parseLine(text);
      if (line.kind === "refused") return refused(`${path}:${number}`, line.why);
      if (line.kind === "include") {
        const target = posix.normalize(posix.join(posix.dirname(path), line.path));
        if (target.startsWith("..") || posix.isAbsolute(line.path))
          return refused(`${path}:${number}`, `${line.path} lies outside the repository`);
        waiting.push({ path: target, as: as === "constraints" ? as : line.as, by: path });
      } else if (line.kind === "index") found.indexes.push(line.url);
      else if (line.kind === "project") isProjectAsked = true;
      else if (line.kind !== "nothing") {
        if (line.kind === "url") found.urls.push(line.url);
        found[line.kind === "option" ? "requirements" : as].push(line.text);
      }
    }
  }
  return { kind: "read", ...found, isProjectAsked, files };
}

function refused(where: string, why: string): Requirements {
  return { kind: "refused", why: `${where}: ${why}` };
}

/** Backslash at the end joins lines; `#` after a space or at the start is a comment (pip's requirements file format). */
function logicalLines(bytes: Uint8Array): readonly { readonly number: number; readonly text: string }[] {
  const lines: { number: number; text: string }[] = [];
  let open = "";
  for (const [index, raw] of new TextDecoder().decode(bytes).split(/\r?\n/).entries()) {
    const isComment = /^\s*#/.test(raw);
    if (!isComment && raw.endsWith("\\")) {
      open += `${raw.slice(0, -1)} `;
      continue;
    }
    const text = (open + raw).replace(/(^|\s)#.*$/, "").trim();
    open = "";
    if (text !== "") lines.push({ number: index + 1, text });
  }
  const rest = open.replace(/(^|\s)#.*$/, "").trim();
  if (rest !== "") lines.push({ number: lines.length + 1, text: rest });
  return lines;
}

/** One logical line. Only what is known to run nothing is let through. */
export function parseLine(text: string): Line {
  const option = /^(--?[a-z][a-z-]*)(?:\s*=\s*|\s+|$)(.*)$/i.exec(text) ?? /^(-[rcife])(.+)$/.exec(text);
  if (text.startsWith("-")) return parseOption(text, option?.[1] ?? text, (option?.[2] ?? "").trim());
  if (/^\.(\[|$)/.test(text) || /^\.\/(\[|$)/.test(text)) return { kind: "project" };
  if (/(^|\s|@)(git|hg|svn|bzr)\+/i.test(text))
    return {
      kind: "refused",
      why: `"${short(text)}" is built from a version control system; pin a released wheel`,
    };
  const url = /(?:^|@\s*)((?:https?|file|ftp):\/\/?\S+)/i.exec(text)?.[1];
  if (url !== undefined) return parseUrl(text, url);
  if (/^[./~]|^[a-z]:[\\/]|^[^\s;@[]+\//i.test(text) || /\.(whl|zip|tar\.gz|tgz)(\s|;|$)/i.test(text))
    return { kind: "refused", why: `"${short(text)}" is a local path; install it with a setup command` };
  if (/\s-{1,2}[a-z]/i.test(text.replace(/\s--hash[=\s]\s*\S+/g, "")))
    return { kind: "refused", why: `"${short(text)}" carries an option that Rigs does not pass to pip` };
  return { kind: "requirement", text };
}

function parseOption(text: string, name: string, value: string): Line {
  switch (name) {
    case "-r":
    case "--requirement":
      return { kind: "include", path: value, as: "requirements" };
    case "-c":
    case "--constraint":
      return { kind: "include", path: value, as: "constraints" };
    case "-i":
    case "--index-url":
    case "--extra-index-url":
      return /^https?:\/\//i.test(value)
        ? { kind: "index", url: value }
        : { kind: "refused", why: `"${short(text)}" names an index that is not https` };
    case "-e":
    case "--editable":
      return /^\.\/?(\[|$)/.test(value)
        ? { kind: "project" }
        : { kind: "refused", why: `"${short(text)}" needs a build; install it with a setup command` };
    case "--pre":
    case "--prefer-binary":
    case "--require-hashes":
      return value === ""
        ? { kind: "option", text: name }
        : { kind: "refused", why: `"${short(text)}" is no option` };
    // Only wheels are ever used and hosts are Rigs' own business: these have nothing left to say.
    case "--only-binary":
    case "--trusted-host":
      return { kind: "nothing" };
    default:
      return { kind: "refused", why: `"${short(text)}" is an option that Rigs does not pass to pip` };
  }
}

function parseUrl(text: string, url: string): Line {
  if (!/^https?:\/\//i.test(url)) return { kind: "refused", why: `"${short(text)}" is not an https address` };
  const path = url.split(/[?#]/)[0] ?? "";
  if (!path.endsWith(".whl"))
    return {
      kind: "refused",
      why: `"${short(text)}" is not a wheel, and nothing is built while there is a network`,
    };
  return { kind: "url", url, text };
}

function short(text: string): string {
  const plain = text.replace(/\/\/[^/@\s]*@/g, "//[secret]@");
  return plain.length <= 80 ? plain : `${plain.slice(0, 77)}...`;
}
