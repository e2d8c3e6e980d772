/** The path of a file on the line before its block, in the many ways models dress it. */

/** Names without a dot or a slash that are files all the same. */
const bareNames: ReadonlySet<string> = new Set(
  "Makefile Dockerfile Containerfile LICENSE README CHANGELOG Procfile Gemfile Rakefile Jenkinsfile Justfile justfile Vagrantfile Brewfile CODEOWNERS NOTICE AUTHORS VERSION".split(
    " ",
  ),
);

const lineMax = 600;

/**
 * The path that is alone on the line, or undefined. Understood: bare, in backticks or quotes, bold, after "###", a list
 * mark, "File:", with a colon or a remark like "(new)" after. What looks like a path but may not be written is returned too: judging it is checkPath's.
 */
export function pathOnLine(line: string): string | undefined {
  if (line.length > lineMax) return undefined;
  let text = line.trim();
  for (let dress = 0; dress < 3; dress++)
    text = text.replace(/^(?:#{1,6}|[-*+>]|\d{1,3}[.)])[ \t]{1,20}/, "").trim();
  text = unwrapped(text, "**");
  const named = text.replace(
    /^\*{0,2}(?:(?:new |updated |modified )?file(?: ?name| ?path)?|path|filename)\*{0,2}:\*{0,2}[ \t]{0,20}/i,
    "",
  );
  const isNamed = named !== text;
  text = named.replace(
    /[ \t]{0,20}\((?:new|new file|modified|updated|changed|created|edited|complete|full file)\)(?=:?\*{0,2}:?$)/i,
    "",
  );
  text = unwrapped(text.replace(/:$/, ""), "**").replace(/:$/, "");
  const ticked = /^`([^`]{1,400})`$/.exec(text)?.[1];
  if (ticked !== undefined) return isTicked(ticked, isNamed) ? ticked : undefined;
  const quoted = /^(["'])([^"']{1,400})\1$/.exec(text)?.[2];
  return isBare(quoted ?? text) ? (quoted ?? text) : undefined;
}

/** The path as a line that `pathOnLine` reads back, for every path that `checkPath` calls safe. */
export function headingFor(path: string): string {
  const dressed = [path, `\`${path}\``, `File: \`${path}\``];
  return dressed.find((line) => pathOnLine(line) === path) ?? path;
}

function unwrapped(text: string, mark: string): string {
  const isWrapped = text.length > 2 * mark.length && text.startsWith(mark) && text.endsWith(mark);
  return isWrapped ? text.slice(mark.length, -mark.length).trim() : text;
}

/** In backticks any single name is meant as a path; what could be a command or code needs "File:" before. */
function isTicked(text: string, isNamed: boolean): boolean {
  if (text.trim() !== text || text.includes("://")) return false;
  return isNamed || !/[ <>|"*?{}=;]/.test(text);
}

function isBare(text: string): boolean {
  if (text === "" || text.length > 400 || /[\s`<>|"'*?{}=;,!:#]/.test(text.replace(/^[A-Za-z]:[\\/]/, "")))
    return false;
  if (bareNames.has(text)) return true;
  return isPathShaped(text);
}

/** A slash, or a last dot with something on both sides (".gitignore" counts, "etc." does not). */
function isPathShaped(text: string): boolean {
  if (/^[./\\-]{1,400}$/.test(text)) return false;
  if (text.includes("/") || text.includes("\\")) return /[\p{L}\p{N}]/u.test(text);
  const ending = /\.([\p{L}\p{N}_+-]{1,20})$/u.exec(text)?.[1];
  return ending !== undefined && /[\p{L}_]/u.test(ending);
}

/** The path in the info of a fence: "python src/a.py", "src/a.py", "python:src/a.py", `ts title="src/a.ts"`; undefined when it holds none. */
export function pathInInfo(info: string): string | undefined {
  if (info === "" || info.length > lineMax) return undefined;
  const attribute = /\b(?:title|file|filename|path|name)=["']?([^"'\s}]{1,400})/i.exec(info)?.[1];
  if (attribute !== undefined && isBare(attribute)) return attribute;
  const words = info.split(/\s/, 12).filter((word) => word !== "");
  for (const word of words) {
    if (/^(?:text|application|image)\/[a-z]/.test(word)) continue;
    const plain = word.replace(/^`|`$/g, "");
    // "Dockerfile" and "Makefile" are languages here.
    if (isBare(plain) && !bareNames.has(plain)) return plain;
    const after = /^[A-Za-z+#]{1,20}:(.{1,400})$/.exec(plain)?.[1];
    if (after !== undefined && isBare(after)) return after;
  }
  return undefined;
}
