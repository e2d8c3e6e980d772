/**
 * Looks for the programs a job needs and names what is missing with the exact command. Installs only where that is
 * plainly allowed: as root on Debian or Ubuntu, and says so. Usage: node scripts/tools.ts demo|test
 */
import { type SpawnSyncOptions, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

export interface Tool {
  readonly name: string;
  readonly debianPackage: string;
  readonly neededFor: readonly string[];
  /** True when it is there and new enough. */
  isPresent(): boolean;
}

const answers = (command: string, ...words: readonly string[]) => {
  const run = spawnSync(command, words, { encoding: "utf8" });
  return run.status === 0 ? `${run.stdout}${run.stderr}` : undefined;
};

export const tools: readonly Tool[] = [
  {
    name: "git",
    debianPackage: "git",
    neededFor: ["demo", "test"],
    isPresent: () => answers("git", "--version") !== undefined,
  },
  {
    name: "bubblewrap 0.8 or newer at /usr/bin/bwrap (the jail)",
    debianPackage: "bubblewrap",
    neededFor: ["demo", "test"],
    isPresent: () => {
      const [major = 0, minor = 0] = (/(\d+)\.(\d+)/.exec(answers("/usr/bin/bwrap", "--version") ?? "") ?? [])
        .slice(1)
        .map(Number);
      return major > 0 || minor >= 8;
    },
  },
  {
    name: "python3 under /usr (end-to-end tests)",
    debianPackage: "python3",
    neededFor: ["test"],
    isPresent: () => answers("/usr/bin/python3", "--version") !== undefined,
  },
  {
    name: "pytest for that python3",
    debianPackage: "python3-pytest",
    neededFor: ["test"],
    isPresent: () => answers("/usr/bin/python3", "-m", "pytest", "--version") !== undefined,
  },
  {
    name: "pip for that python3",
    debianPackage: "python3-pip",
    neededFor: ["test"],
    isPresent: () => answers("/usr/bin/python3", "-m", "pip", "--version") !== undefined,
  },
  {
    name: "venv for that python3",
    debianPackage: "python3-venv",
    neededFor: ["test"],
    isPresent: () => answers("/usr/bin/python3", "-c", "import ensurepip") !== undefined,
  },
];

/** What is known of the machine before anything is done to it. */
export interface Machine {
  readonly platform: string;
  readonly isRoot: boolean;
  /** Debian's own name for itself; undefined where its packages cannot be installed. */
  readonly debian: string | undefined;
}

/** Install: plainly allowed, and said aloud. Tell: a person has to do it. */
export type Plan =
  | { readonly kind: "go" }
  | { readonly kind: "install"; readonly packages: readonly string[]; readonly lines: readonly string[] }
  | { readonly kind: "tell"; readonly lines: readonly string[] };

/** What to do about the tools that are missing. Pure. */
export function planFor(missing: readonly Pick<Tool, "name" | "debianPackage">[], machine: Machine): Plan {
  if (missing.length === 0) return { kind: "go" };
  const packages = missing.map((tool) => tool.debianPackage);
  const command = `apt-get install -y ${packages.join(" ")}`;
  const lines = missing.map((tool) => `missing: ${tool.name}`);
  if (machine.platform !== "linux") {
    const why =
      "this version jails with bubblewrap, which only Linux has: use a Linux machine or virtual machine";
    return { kind: "tell", lines: [...lines, why] };
  }
  if (machine.debian === undefined)
    return {
      kind: "tell",
      lines: [...lines, `install with your package manager what Debian calls: ${packages.join(" ")}`],
    };
  if (!machine.isRoot) return { kind: "tell", lines: [...lines, `install it: sudo ${command}`] };
  const aloud = `you are root on ${machine.debian}, so this is done now: apt-get update && ${command}`;
  return { kind: "install", packages, lines: [...lines, aloud] };
}

/** The demo cannot go on without its tools (exit code 2); the tests that need one are skipped, and counted as skipped. */
export function verdictOf(job: string): { readonly code: number; readonly lines: readonly string[] } {
  if (job !== "test") return { code: 2, lines: [] };
  const line = "tests that need it are skipped, by name; RIGS_SANDBOX_REQUIRED=1 makes that a failure";
  return { code: 0, lines: [line] };
}

function main(job: string): number {
  const missing = () => tools.filter((tool) => tool.neededFor.includes(job) && !tool.isPresent());
  const plan = planFor(missing(), machineHere());
  if (plan.kind === "go") return 0;
  tell(plan.lines);
  if (plan.kind === "tell") {
    const { code, lines } = verdictOf(job);
    tell(lines);
    return code;
  }
  install(plan.packages);
  const left = missing();
  tell(left.map((tool) => `still missing: ${tool.name}; try by hand: apt-get install ${tool.debianPackage}`));
  return left.length === 0 ? 0 : 2;
}

function machineHere(): Machine {
  const isDebian = existsSync("/etc/debian_version") && existsSync("/usr/bin/apt-get");
  return {
    platform: process.platform,
    isRoot: process.getuid?.() === 0,
    debian: isDebian ? osName() : undefined,
  };
}

function install(packages: readonly string[]): void {
  const options: SpawnSyncOptions = {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  };
  spawnSync("apt-get", ["update", "-qq"], options);
  spawnSync("apt-get", ["install", "-y", "-qq", ...packages], options);
}

function tell(lines: readonly string[]): void {
  for (const line of lines) process.stderr.write(`${line}\n`);
}

function osName(): string {
  return /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "Debian";
}

if (import.meta.main) process.exitCode = main(process.argv[2] ?? "test");
