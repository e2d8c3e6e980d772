import { createHash } from "node:crypto";
import type { Interpreter } from "./interpreters.ts";
import type { Plan } from "./plan.ts";

/** Grows whenever an installation made by older code must not be used any more. */
const layoutVersion = 1;

/** Everything that decides what an installation contains. Credentials and addresses of registries do not. */
export interface Recipe {
  readonly plan: Plan;
  readonly setup: string | undefined;
  readonly interpreters: readonly Interpreter[];
  readonly platform: string;
  readonly architecture: string;
}

/** SHA-256, 64 hexadecimal digits. The order in which files or interpreters come makes no difference; any byte of them does. */
export function keyOf({ plan, setup, interpreters, platform, architecture }: Recipe): string {
  const npm = plan.npm && { files: digests(plan.npm.files), settings: [...plan.npm.settings].sort() };
  const pip = plan.pip && { files: digests(plan.pip.asked.files) };
  const used = interpreters.map(identity).sort();
  const recipe = {
    layoutVersion,
    npm: npm ?? null,
    pip: pip ?? null,
    setup: setup ?? null,
    used,
    platform,
    architecture,
  };
  return createHash("sha256").update(JSON.stringify(recipe)).digest("hex");
}

function digests(files: ReadonlyMap<string, Uint8Array>): readonly (readonly [string, string])[] {
  return [...files]
    .map(([path, bytes]) => [path, createHash("sha256").update(bytes).digest("hex")] as const)
    .sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0));
}

function identity(interpreter: Interpreter): string {
  if (interpreter.kind === "absent") return `${interpreter.name} absent`;
  const { name, version, command, packager } = interpreter;
  return JSON.stringify([name, version, command, packager ?? null]);
}
