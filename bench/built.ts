/** The program as it is published: bin, dist and the manifest, without sources, which `bin/rigs.js` would prefer. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const top = resolve(import.meta.dirname, "..");

/** Builds into a new folder below the system's temporary one. Disposing removes it. */
export function build(): { readonly folder: string; readonly entry: string } & Disposable {
  const folder = mkdtempSync(join(tmpdir(), "rigs-bench-built-"));
  const compiler = join(top, "node_modules/.bin/tsc");
  execFileSync(compiler, ["-p", join(top, "tsconfig.build.json"), "--outDir", join(folder, "dist")], {
    stdio: "inherit",
  });
  for (const name of ["bin", "package.json"])
    cpSync(join(top, name), join(folder, name), { recursive: true });
  symlinkSync(join(top, "node_modules"), join(folder, "node_modules"));
  mkdirSync(join(folder, "home"));
  return {
    folder,
    entry: join(folder, "bin/rigs.js"),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}
