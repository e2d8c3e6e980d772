import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { type Ended, file, openGround } from "../support/rigs.ts";

// Real processes: on a machine that is busy with other tests each takes its time.
vi.setConfig({ testTimeout: 90_000 });

const ground = openGround();
afterAll(() => ground[Symbol.dispose]());

interface End {
  readonly goal: string;
  readonly outcome: string;
  readonly proof: { readonly verdict: string; readonly reasons: readonly string[] };
}
const end = (ended: Ended) => ended.lines.at(-1) as unknown as End;

test("a program that is not there yet is refused; one that the change altered is delivered as partial, and named in the evidence", async () => {
  const empty = ground.repository("empty", { "README.md": "nothing yet\n" });
  const user = ground.repository("own-word", { "verify.py": "raise SystemExit(1)\n" });
  ground.script({ text: file("verify.py", "pass\n") });
  const words = ["goal", "execute", "write verify.py", "--json", "--check-exit", "python3 verify.py"];
  const refused = await ground.rigs(empty.top, ...words);
  expect(refused.code, refused.err).toBe(2);
  expect(refused.err).toMatch(/acceptance-exit-1 runs verify\.py, which is not in your last commit/);
  const ended = await ground.rigs(user.top, ...words);
  expect(ended.code, ended.err).toBe(5);
  expect(end(ended)).toMatchObject({ outcome: "partial", proof: { verdict: "no-regression" } });
  const page = readFileSync(join(ground.home, "evidence", end(ended).goal, "evidence.md"), "utf8");
  expect(page).toMatch(/remark: acceptance-exit-1: runs verify\.py, which the change brought or altered/);
});

const server = `const { createServer } = require("node:http");

function greet(_request, response) {
  response.end("hello");
}

createServer(greet).listen(8098, "127.0.0.1");
`;

test("a program that starts and answers its probe is delivered as proven", async () => {
  const user = ground.repository("server", { "README.md": "nothing yet\n" });
  ground.script({ text: file("server.js", server) });
  const probe =
    "node -e \"fetch('http://127.0.0.1:8098').then((r) => r.text()).then((t) => process.exit(t === 'hello' ? 0 : 1))\"";
  const words = ["goal", "execute", "a server that greets", "--json", "--check-run", "node server.js"];
  const ended = await ground.rigs(user.top, ...words, "--probe", probe);
  expect(ended.code, ended.err).toBe(0);
  expect(end(ended)).toMatchObject({ outcome: "delivered", proof: { verdict: "proven", reasons: [] } });
  const page = readFileSync(join(ground.home, "evidence", end(ended).goal, "evidence.md"), "utf8");
  expect(page).toContain("No witness could be run for acceptance-run");
  expect(page).toContain("They were seen to go red on a control.");
});
