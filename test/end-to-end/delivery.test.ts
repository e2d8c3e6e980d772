import { createPublicKey, verify } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, vi } from "vitest";
import { needing } from "../../src/edges/jails/sandbox.case.ts";
import { openReader } from "../../src/edges/store/sqlite.ts";
import { node, python } from "../support/projects.ts";
import { openGround, untouched } from "../support/rigs.ts";

const { test, describe } = await needing("jail");
const { test: pytestTest } = await needing("jail", "pytest");

// Real processes: on a machine that is busy with other tests each takes its time.
vi.setConfig({ testTimeout: 90_000 });

/** What DSSE signs: the pre-authentication encoding of version 1 of its specification. */
function encoded(type: string, payload: Uint8Array): Uint8Array {
  const head = `DSSEv1 ${Buffer.byteLength(type)} ${type} ${payload.length} `;
  return Buffer.concat([Buffer.from(head), payload]);
}

describe("a delivered goal", () => {
  const ground = openGround();
  afterAll(() => ground[Symbol.dispose]());

  pytestTest(
    "is one commit on a branch, with signed evidence, and nothing else of the user's is touched",
    async () => {
      const user = ground.repository("python", python.files);
      user.write("readme.md", "# calc, being edited\n");
      user.write("staged.txt", "staged\n");
      user.git("add", "staged.txt");
      user.write("notes/untracked.txt", "mine\n");
      const base = user.git("rev-parse", "HEAD");
      const before = untouched(user.top);
      ground.script({ text: python.right });

      const ended = await ground.rigs(
        user.top,
        "goal",
        "execute",
        python.goal,
        "--check",
        python.check,
        "--json",
      );

      expect(ended.code, ended.err).toBe(0);
      expect(untouched(user.top)).toEqual(before);
      const first = ended.lines[0] as { goal: string };
      const branch = `rigs/${first.goal}`;
      expect(first).toEqual({ type: "goal-start", goal: expect.stringMatching(/^[0-9a-z]{8}$/), base });
      const commit = user.git("rev-parse", branch);
      const folder = join(ground.home, "evidence", first.goal);
      const last = ended.lines.at(-1) as Record<string, Record<string, unknown>>;
      expect(last).toEqual({
        type: "goal-end",
        goal: first.goal,
        outcome: "delivered",
        branch,
        base,
        commit,
        beads: { total: 1, integrated: 1, parked: 0 },
        proof: {
          verdict: "proven",
          acceptance: "user",
          isolation: "bubblewrap",
          testsRun: 2,
          testsPassed: 2,
          failToPass: 1,
          passToPass: 1,
          // The discovered guard runs the same tests, and one of them was red before: said, and no hindrance.
          reasons: [
            "guard-pytest: red-on-base: 1 of 2 tests fail: tests/test_calc.py::test_double; green now",
          ],
          statement: join(folder, "statement.json"),
        },
        spend: {
          requests: 1,
          inputTokens: expect.any(Number),
          cachedInputTokens: 0,
          outputTokens: expect.any(Number),
          usd: 0,
          wallMs: expect.any(Number),
        },
        reason: null,
      });
      const names = [
        "type",
        "goal",
        "outcome",
        "branch",
        "base",
        "commit",
        "beads",
        "proof",
        "spend",
        "reason",
      ];
      expect(Object.keys(last)).toEqual(names);
      expect(last.spend?.inputTokens).toBeGreaterThan(0);

      expect(user.git("rev-list", "--count", `${base}..${branch}`)).toBe("1");
      expect(user.git("rev-parse", `${branch}^`)).toBe(base);
      expect(user.git("log", "-1", "--format=%an <%ae>", branch)).toBe("Ada Example <ada@example.org>");
      const trailers = user.git("log", "-1", "--format=%(trailers:only)", branch);
      expect(trailers).toBe(`Rigs-Bead: ${first.goal}.1\nRigs-Proof: ${first.goal}.1/a1/p1`);
      expect(user.git("diff", "--name-only", base, branch)).toBe("calc.py");

      expect(readdirSync(folder).sort()).toEqual(
        ["change.diff", "evidence.json", "evidence.md", "key.pem", "statement.json"].sort(),
      );
      const envelope = JSON.parse(readFileSync(join(folder, "statement.json"), "utf8"));
      const key = createPublicKey(readFileSync(join(folder, "key.pem")));
      const payload = Buffer.from(envelope.payload, "base64");
      const signature = Buffer.from(envelope.signatures[0].sig, "base64");
      expect(key.asymmetricKeyType).toBe("ed25519");
      expect(verify(null, encoded(envelope.payloadType, payload), key, signature)).toBe(true);
      const bent = Buffer.from(payload);
      bent[10] = (bent[10] ?? 0) ^ 1;
      expect(verify(null, encoded(envelope.payloadType, bent), key, signature)).toBe(false);
      const statement = JSON.parse(payload.toString());
      expect(statement.subject).toEqual([
        { name: "commit", digest: { gitCommit: commit } },
        { name: "tree", digest: { gitTree: user.git("rev-parse", `${branch}^{tree}`) } },
      ]);
      expect(statement.predicate.result).toBe("PASSED");

      const again = await ground.rigs(user.top, "goal", "resume", first.goal);
      expect(again).toMatchObject({ code: 2, err: expect.stringContaining("is delivered already") });
      const reader = await openReader(ground.home);
      expect(await reader.audit()).toEqual([]);
      await reader.close();
    },
  );

  test("mends what is red, takes back what is worse, reads what it asks for, and says so to people", async () => {
    const user = ground.repository("node", node.files);
    const before = untouched(user.top);
    ground.script(
      { text: '```json\n{"read": ["test/shout.test.js"]}\n```\n' },
      { text: node.wrong },
      { text: node.worse },
      { text: node.right },
    );
    const ended = await ground.rigs(user.top, "goal", "execute", node.goal, "--check", node.check);
    expect(ended.code, ended.err).toBe(0);
    expect(untouched(user.top)).toEqual(before);
    expect(ended.err).toMatch(/it asks to read test\/shout\.test\.js/);
    expect(ended.err).toMatch(/r2 reverted: it scores below \S*r1/);
    expect(ended.err).toMatch(/r3: .*2 of 2 tests pass/);
    const branch = user.git("branch", "--list", "rigs/*", "--format=%(refname:short)");
    expect(ended.out).toContain(branch);
    expect(user.git("rev-list", "--count", `main..${branch}`)).toBe("1");
    expect(user.git("show", `${branch}:src/words.js`)).toContain("filter((word)");
  });

  test("works on files as they are with --include-dirty, also untracked checks", async () => {
    const { "test/count.test.js": count, ...committed } = node.files;
    const user = ground.repository("dirty", committed);
    user.write("test/count.test.js", count);
    user.write("src/words.js", `// a comment of today\n${node.files["src/words.js"]}`);
    ground.script({ text: node.right });
    const execute = ["goal", "execute", node.goal, "--check", node.check] as const;
    const refused = await ground.rigs(user.top, ...execute);
    expect(refused).toMatchObject({ code: 2, err: expect.stringContaining("which git does not track") });
    const before = untouched(user.top);
    const ended = await ground.rigs(user.top, ...execute, "--include-dirty", "--json");
    expect(ended.code, ended.err).toBe(0);
    expect(untouched(user.top)).toEqual(before);
    const { base, branch } = ended.lines.at(-1) as { base: string; branch: string };
    expect(user.git("rev-parse", `${branch}^`)).toBe(base);
    expect(user.git("show", `${base}:src/words.js`)).toContain("a comment of today");
    expect(user.git("diff", "--name-only", base, branch)).toBe("src/words.js");
  });

  test("changes no protected test: what remains of the answer is judged", async () => {
    const user = ground.repository("protected", node.files);
    ground.script({ text: `${node.right}\n${"test/count.test.js\n```\nimport 'node:test';\n```\n"}` });
    const ended = await ground.rigs(user.top, "goal", "execute", node.goal, "--check", node.check, "--json");
    expect(ended.code, ended.err).toBe(0);
    const { base, branch, proof } = ended.lines.at(-1) as { base: string; branch: string; proof: object };
    expect(proof).toMatchObject({ verdict: "proven", failToPass: 2 });
    expect(user.git("diff", "--name-only", base, branch)).toBe("src/words.js");
  });
});
