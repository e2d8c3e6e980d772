/** Paths as models and reports write them. Everything inside Rigs is relative to the top of the repository, "/" between parts. */

export const pathCharactersMax = 400;
/** What common file systems allow for one name. */
const partBytesMax = 255;

export type PathCheck =
  | { readonly kind: "safe"; readonly path: string }
  | { readonly kind: "forbidden"; readonly why: string };

/**
 * The path in its one normal form ("./a//b" is "a/b"), or why it may not be written: it leaves the repository, reaches
 * into git's own folder at any depth (also by the names other file systems take for it), or is not a name at all.
 * Existence and protection are not looked at here.
 */
export function checkPath(text: string): PathCheck {
  const forbidden = (why: string): PathCheck => ({ kind: "forbidden", why });
  if (text.length === 0) return forbidden("the path is empty");
  if (text.length > pathCharactersMax) return forbidden(`the path is longer than ${pathCharactersMax}`);
  if (/[\u0000-\u001f\u007f-\u009f]/.test(text)) return forbidden("the path holds a control character");
  if (!text.isWellFormed()) return forbidden("the path is not well-formed text");
  if (text.includes("\\")) return forbidden("the path holds a backslash");
  if (text.includes("`")) return forbidden("the path holds a backtick");
  if (text.startsWith("/") || text.startsWith("~"))
    return forbidden("the path is not relative to the repository");
  if (/^[A-Za-z]:/.test(text)) return forbidden("the path names a drive");
  if (text.endsWith("/")) return forbidden("the path names a folder");
  const parts = text.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.length === 0) return forbidden("the path names no file");
  for (const part of parts) {
    if (part === "..") return forbidden("the path leaves its folder with ..");
    if (isGitFolder(part)) return forbidden("the path reaches into .git");
    if (part !== part.trim()) return forbidden("a name in the path begins or ends with a space");
    if (utf8Length(part) > partBytesMax)
      return forbidden(`a name in the path is longer than ${partBytesMax} bytes`);
  }
  return { kind: "safe", path: parts.join("/") };
}

/** ".git" as a case-folding, dot-dropping, ignorable-dropping or short-name file system would take it. */
function isGitFolder(part: string): boolean {
  const visible = part.replace(/[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/g, "");
  const name = visible.toLowerCase().replace(/[. ]{1,255}$/, "");
  return name === ".git" || name === "git~1" || name.startsWith(".git:");
}

/** Bytes of the text in UTF-8; a lone surrogate counts as three. */
export function utf8Length(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}

/** `path` as seen from `folder`, in normal form; empty for the top, and what climbs above it stays there. */
export function joined(folder: string, path: string): string {
  const parts: string[] = [];
  for (const part of `${folder}/${path}`.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "." && part !== "") parts.push(part);
  }
  return parts.join("/");
}

/** The last part. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Lower case, without the dot; empty when there is none. */
export function extensionOf(path: string): string {
  const name = nameOf(path);
  const dot = name.lastIndexOf(".");
  return dot < 0 ? "" : name.slice(dot + 1).toLowerCase();
}
