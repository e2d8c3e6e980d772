import { basename, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Bind } from "../../ports/jail.ts";
import type { PipPlan } from "./plan.ts";
import { hostOf, isFolder, lineFor, pipHosts, type Registries } from "./registries.ts";

/** Only wheels: fetching them runs nothing that is in them. */
export const downloadCommand =
  "python3 -m pip download --only-binary=:all: --no-input --disable-pip-version-check --no-cache-dir --progress-bar=off " +
  "--retries=1 --timeout=20 --dest=/wheels -r /requirements/requirements.txt -c /requirements/constraints.txt";

/**
 * The virtual environment is made without a pip of its own: pip is the interpreter's. System packages stay visible
 * (Debian's pytest, say), but whatever the requirements name is installed here, whether the system has it or not.
 * A program for the system's pytest is added, because that one would run outside the virtual environment.
 */
export const buildCommand = `set -e
python3 -m venv --system-site-packages --without-pip /environment/venv
if ls /wheels/*.whl > /dev/null 2>&1; then
  /environment/venv/bin/python3 -m pip install --ignore-installed --only-binary=:all: --no-index --no-input \\
    --disable-pip-version-check --no-warn-script-location --quiet --find-links=/wheels \\
    -r /requirements/requirements.txt -c /requirements/constraints.txt
fi
if [ -s /requirements/project.pth ]; then
  cp /requirements/project.pth "$(/environment/venv/bin/python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/rigs-project.pth"
fi
if [ ! -e /environment/venv/bin/pytest ] && /environment/venv/bin/python3 -c 'import pytest' 2>/dev/null; then
  printf '#!/environment/venv/bin/python3\\nimport sys\\nfrom pytest import console_main\\nsys.exit(console_main())\\n' > /environment/venv/bin/pytest
  chmod 755 /environment/venv/bin/pytest
fi`;

/** What the two commands read below /requirements. Addresses of indexes are in pip's own file. */
export function requirementFiles({ asked }: PipPlan): ReadonlyMap<string, string> {
  const lines = (texts: readonly string[]) => texts.map((text) => `${text}\n`).join("");
  return new Map([
    ["requirements.txt", lines(asked.requirements)],
    ["constraints.txt", lines(asked.constraints)],
    ["project.pth", asked.isProjectAsked ? "/rig\n/rig/src\n" : ""],
  ]);
}

/** The lines that name something; the others are options. */
export function namesOf({ asked }: PipPlan): readonly string[] {
  return asked.requirements.filter((line) => !line.startsWith("-"));
}

/** One line about the first address in the requirements that pip is not configured for. */
export function foreignIndex({ asked }: PipPlan, registries: Registries): string | undefined {
  const allowed = pipHosts(registries);
  for (const address of [...asked.indexes, ...asked.urls]) {
    const host = hostOf(address);
    if (host === undefined || !allowed.includes(host))
      return `requirements.txt asks for ${host ?? "an address that is not https"}, which pip is not configured for; ${lineFor(host ?? "host")}`;
  }
  return undefined;
}

/** pip's configuration file inside the fetch jail, and the host's package folders it names, shown read-only. */
export function pipConfiguration(
  { asked }: PipPlan,
  { pip }: Registries,
): { readonly text: string; readonly binds: readonly Bind[] } {
  const binds: Bind[] = [];
  const inside = (address: string): string => {
    if (!isFolder(address)) return address;
    const folder = address.startsWith("file:") ? fileURLToPath(address) : address;
    const plain = folder.length > 1 && folder.endsWith("/") ? folder.slice(0, -1) : folder;
    // The pages of a "simple" index point to files beside it.
    const isSimple = basename(plain) === "simple";
    const at = `/packages/${binds.length}`;
    binds.push({ host: isSimple ? dirname(plain) : plain, inside: at, access: "read" });
    const shown = isSimple ? `${at}/simple` : at;
    return address.startsWith("file:") ? `file://${shown}` : shown;
  };
  const [index = "", ...more] = [...pip.indexes, ...asked.indexes].map(inside);
  const hosts = pip.indexes.flatMap((address) => plainHttpHost(address) ?? []);
  const settings = [
    `index-url = ${index}`,
    ...list("extra-index-url", more),
    ...list("find-links", pip.links.map(inside)),
    ...list("trusted-host", hosts),
  ];
  return { text: `[global]\n${settings.join("\n")}\n`, binds };
}

function list(key: string, values: readonly string[]): readonly string[] {
  return values.length === 0 ? [] : [`${key} =`, ...values.map((value) => `    ${value}`)];
}

/** pip asks to be told which hosts it may trust without https; the user's own configuration did that by naming the address. */
function plainHttpHost(address: string): string | undefined {
  return hostOf(address)?.startsWith("http://") ? hostOf(address)?.slice("http://".length) : undefined;
}
