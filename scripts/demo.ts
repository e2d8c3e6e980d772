/**
 * The whole main job on a scripted model: no key, no server, no network. A small repository gets a new function; the
 * first try fails at run time, the second scores lower and is reverted, the third is proven. Everything it makes lies
 * in one folder, named at the end.
 */
import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const top = fileURLToPath(new URL("..", import.meta.url));
const rigs = join(top, "bin", "rigs.js");
const folder = mkdtempSync(join(tmpdir(), "rigs-demo-"));
const repository = join(folder, "durations");
const home = join(folder, "home");
const settings = {
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_AUTHOR_NAME: "Demo",
  GIT_AUTHOR_EMAIL: "demo@localhost",
  GIT_COMMITTER_NAME: "Demo",
  GIT_COMMITTER_EMAIL: "demo@localhost",
};
const environment = { ...process.env, ...settings, RIGS_HOME: home };

function say(text = ""): void {
  process.stdout.write(`${text}\n`);
}

/** Runs quietly; the demo ends with the words of what failed. */
function quietly(command: string, ...words: readonly string[]): string {
  const run = spawnSync(command, words, { cwd: repository, env: environment, encoding: "utf8" });
  if (run.status !== 0) throw new Error(`${command} ${words.join(" ")} failed: ${run.stderr || run.stdout}`);
  return run.stdout.trim();
}

/** Runs a rigs command as a person would, output and all. */
async function show(...words: readonly string[]): Promise<number> {
  say(`$ rigs ${words.map((word) => (/[\s"]/.test(word) ? `'${word}'` : word)).join(" ")}`);
  const child = spawn(process.execPath, [rigs, ...words], {
    cwd: repository,
    env: environment,
    stdio: "inherit",
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => resolve(code ?? 1));
  });
}

async function main(): Promise<number> {
  cpSync(join(top, "demo", "repository"), repository, { recursive: true });
  quietly("git", "init", "--quiet", "--initial-branch=main");
  quietly("git", "add", ".");
  quietly("git", "commit", "--quiet", "--message", "Format durations");
  say("A repository with formatDuration, its tests, and tests for a parseDuration that does not exist yet.");
  say(
    "The model is a script: a first try that fails at run time, a second that scores lower, a third that is right.",
  );
  say();
  const script = join(top, "demo", "script.json");
  if ((await show("provider", "add", "demo", "--kind", "scripted", "--script", script)) !== 0) return 1;
  say();
  const goal =
    "Add parseDuration(text) to src/parse.js, the inverse of formatDuration. What is no duration is a RangeError.";
  const code = await show("goal", "execute", goal, "--check", "node --test test/parse.test.js");
  if (code !== 0) return code;
  const branch = quietly("git", "branch", "--list", "rigs/*", "--format=%(refname:short)");
  const id = branch.replace("rigs/", "");
  say();
  say(`$ git log --oneline main..${branch}`);
  say(quietly("git", "log", "--oneline", `main..${branch}`));
  say();
  say(`$ git show --stat --format=%B ${branch}`);
  say(quietly("git", "show", "--stat", "--format=%B", branch));
  say();
  await show("bead", "show", `${id}.1`);
  say();
  say("What to look at:");
  say(`  the delivered branch    git -C ${repository} show ${branch}`);
  say(
    `  the evidence            ${join(home, "evidence", id)}: ${readdirSync(join(home, "evidence", id))
      .sort()
      .join(", ")}`,
  );
  say(`  every step of the way   RIGS_HOME=${home} ${rigs} events`);
  say(`  nothing else was made; remove it all with: rm -rf ${folder}`);
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`the demo could not go on: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
