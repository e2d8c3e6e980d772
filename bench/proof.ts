/**
 * What a proof costs beside doing the same by hand, one after the other and outside any jail: check out, run, run on a
 * control, commit, check out clean, run. The aim is at most 1.5 times. And what it costs when a model wrote the tests, which are then
 * asked about mutants too.
 * `node bench/proof.ts [rounds]`
 */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, totalmem } from "node:os";
import { join, resolve } from "node:path";
import type { Commit } from "../src/domain/id.ts";
import { judge } from "../src/domain/judge.ts";
import { openVerifier } from "../src/edges/verifier/client.ts";
import type { Trial } from "../src/ports/verifier.ts";
import { median, print } from "./figure.ts";

const rounds = Number(process.argv[2] ?? 7);
const root = mkdtempSync(join(tmpdir(), "rigs-bench-proof-"));
chmodSync(root, 0o711);
const source = join(root, "source");
mkdirSync(join(source, "tests"), { recursive: true });
const git = (...words: readonly string[]) =>
  execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@b", ...words], {
    cwd: source,
    encoding: "utf8",
  }).trim();
const command = "python3 -m pytest -q tests";
const good =
  "def add(a, b):\n    if a == 0 and b == 0:\n        return 0\n    total = a\n    total += b\n    return total\n";
const bad = "def add(a, b):\n    raise RuntimeError\n";
git("init", "-q");
writeFileSync(join(source, "calc.py"), "def add(a, b):\n    return 0\n");
writeFileSync(
  join(source, "tests/test_calc.py"),
  "from calc import add\ndef test_add():\n    assert add(1, 2) == 3\n    assert add(0, 2) == 2\n    assert add(0, 0) == 0\n",
);
git("add", ".");
git("commit", "-qm", "base");
const base = git("rev-parse", "HEAD") as Commit;
writeFileSync(join(source, "calc.py"), good);
git("commit", "-qam", "head");
const commit = git("rev-parse", "HEAD") as Commit;

function byHand(): number {
  const startedAt = performance.now();
  const run = (folder: string) =>
    spawnSync("/bin/sh", ["-c", command], { cwd: folder, stdio: "ignore", env: { PATH: "/usr/bin:/bin" } });
  const checkout = (name: string): string => {
    const folder = join(root, name);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    execFileSync("git", [`--work-tree=${folder}`, "checkout", "-q", "-f", commit, "--", "."], {
      cwd: source,
    });
    return folder;
  };
  const first = checkout("first");
  run(first);
  writeFileSync(join(first, "calc.py"), bad);
  run(first);
  git("commit", "-q", "--allow-empty", "-m", "again");
  run(checkout("second"));
  return performance.now() - startedAt;
}

const verifier = openVerifier({
  entry: resolve(import.meta.dirname, "../src/verifier.ts"),
  isolation: "bubblewrap",
  workRoot: join(root, "work"),
  resultFolder: join(root, "results"),
  runsMax: 2,
  proofsMax: 2,
  cores: 2,
  memoryBytes: totalmem(),
});
const trial: Trial = {
  gitDir: join(source, ".git"),
  commit,
  base,
  checks: [
    { name: "a", command, cwd: ".", role: "acceptance", timeoutMs: 60_000, report: { kind: "recognise" } },
  ],
  protect: [],
  allowChange: [],
  environment: { key: "", binds: [], scratch: [], variables: {}, path: [], owned: [] },
  mutantsMax: 0,
};

async function proof(acceptance: "user" | "model"): Promise<number> {
  const startedAt = performance.now();
  const mutantsMax = acceptance === "model" ? 6 : 0;
  const facts = await verifier.prove({ ...trial, mutantsMax }, new AbortController().signal);
  const { verdict, reasons } = judge(facts, acceptance).proof;
  if (verdict !== "proven") throw new Error(`${verdict}: ${reasons.join("; ")}`);
  return performance.now() - startedAt;
}

const cold = await proof("user");
const hands: number[] = [];
const proofs: number[] = [];
const asked: number[] = [];
for (let round = 0; round < rounds; round++) {
  hands.push(byHand());
  proofs.push(await proof("user"));
  asked.push(await proof("model"));
}
await verifier[Symbol.asyncDispose]();
rmSync(root, { recursive: true, force: true });
print({
  name: "proof, base known",
  ours: median(proofs),
  unit: "ms",
  baseline: { name: "three runs by hand outside any jail", value: median(hands) },
  goal: { kind: "ratio", max: 1.5 },
});
print({
  name: "proof where a model wrote the tests (six mutants)",
  ours: median(asked),
  unit: "ms",
  baseline: { name: "proof where a person did", value: median(proofs) },
  goal: { kind: "none" },
});
print({
  name: "first proof, base unknown",
  ours: cold,
  unit: "ms",
  baseline: undefined,
  goal: { kind: "none" },
});
