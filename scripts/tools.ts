/**
 * Looks for the programs a job needs and names what is missing with the exact command. Installs only where that is
 * plainly allowed: as root on Debian or Ubuntu, and says so. Usage: node scripts/tools.ts demo|test
 */
import { type SpawnSyncOptions, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

interface Tool {
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

const tools: readonly Tool[] = [
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

function main(): number {
  const job = process.argv[2] ?? "test";
  const missing = () => tools.filter((tool) => tool.neededFor.includes(job) && !tool.isPresent());
  const before = missing();
  if (before.length === 0) return 0;
  const packages = before.map((tool) => tool.debianPackage);
  const command = `apt-get install -y ${packages.join(" ")}`;
  const isDebian = existsSync("/etc/debian_version") && existsSync("/usr/bin/apt-get");
  for (const tool of before) process.stderr.write(`missing: ${tool.name}\n`);
  if (process.platform !== "linux") {
    process.stderr.write(
      "this version jails with bubblewrap, which is Linux only: use a Linux machine or virtual machine.\n",
    );
    return verdict(job);
  }
  if (!isDebian || process.getuid?.() !== 0) {
    process.stderr.write(`install it with your package manager, on Debian or Ubuntu: sudo ${command}\n`);
    return verdict(job);
  }
  process.stderr.write(`you are root on ${osName()}, so this is done now: apt-get update && ${command}\n`);
  const options: SpawnSyncOptions = {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  };
  spawnSync("apt-get", ["update", "-qq"], options);
  spawnSync("apt-get", ["install", "-y", "-qq", ...packages], options);
  const left = missing();
  for (const tool of left) process.stderr.write(`still missing: ${tool.name}; try by hand: ${command}\n`);
  return left.length === 0 ? 0 : 2;
}

/** The demo cannot go on without its tools; the tests that need one are skipped, and counted as skipped. */
function verdict(job: string): number {
  if (job === "test")
    process.stderr.write(
      "tests that need it are skipped, by name; RIGS_SANDBOX_REQUIRED=1 makes that a failure\n",
    );
  return job === "test" ? 0 : 2;
}

function osName(): string {
  return /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "Debian";
}

process.exitCode = main();
