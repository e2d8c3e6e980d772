/**
 * What the gateway adds to a call, seen from outside: the same mock asked directly, through `rigs gateway` and through
 * Portkey's open-source gateway, by turns, each a process of its own. `npm run bench:gateway`
 *
 * Latency is counted from the moment a request was due, not from when it could be sent: a gateway that is too slow is
 * not spared. RATES=100,500 chooses others.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { print, printMachine } from "./figure.ts";

const rounds = 3;
const roundMs = 3_000;
const singles = 60;
/** Beyond it, a gateway has lost: what it was sent last is not waited for. */
const outMax = 1_500;
const warmMs = 1_500;
const rates = (process.env.RATES ?? "100,500").split(",").map(Number);

interface Target {
  readonly name: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

interface Taken {
  readonly firstMs: number[];
  readonly wholeMs: number[];
  failed: number;
  sent: number;
}

const agent = new Agent({ keepAlive: true, maxSockets: outMax, maxFreeSockets: outMax });
const answerMsMax = 10_000;
const content = "What does this function do, and what would you change about it? ".repeat(4);

/**
 * Portkey 1.15.2 answers every stream with 500 where its server library hands on the headers of a fetched response, which
 * cannot be written (all versions of @hono/node-server that it allows and that were tried): copies can. Some microseconds.
 */
const mendedFetch = `data:text/javascript,${encodeURIComponent(
  "const { fetch: plain, Response: Plain } = globalThis; globalThis.fetch = async (...words) => { const { body, status, statusText, headers } = await plain(...words); return new Plain(body, { status, statusText, headers: new Headers(headers) }); };",
)}`;

const top = resolve(import.meta.dirname, "..");
const children: ChildProcess[] = [];
const folder = mkdtempSync(join(tmpdir(), "rigs-bench-gateway-"));

try {
  printMachine();
  const targets = await start();
  for (const isStream of [false, true]) await compare(targets, isStream, 1);
  for (const rate of rates) await compare(targets, true, rate);
} finally {
  for (const child of children) child.kill("SIGTERM");
  await Promise.all(
    children.map((child) =>
      child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined,
    ),
  );
  rmSync(folder, { recursive: true, force: true });
}

async function start(): Promise<readonly Target[]> {
  const mock = await lineOf(run("mock", [join(import.meta.dirname, "gateway-mock.ts")]), /^(\d+)$/);
  const base = `http://127.0.0.1:${mock}/v1`;
  const home = join(folder, "home");
  const provider = `[providers.mock]\nkind = "openai-compatible"\nbase_url = "${base}"\nmodel = "mock"\n`;
  execFileSync("mkdir", ["-p", home]);
  writeFileSync(join(home, "config.toml"), provider, { mode: 0o600 });
  const entry = [join(top, "src/main.ts"), "--home", home, "gateway"];
  const token = execFileSync(process.execPath, [...entry, "token", "create", "bench"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  }).trim();
  const ours = await lineOf(run("rigs", [...entry, "--port", "0"]), /at (http:\S+)\/v1/);
  const port = await freePort();
  const portkey = run("portkey", [
    "--import",
    mendedFetch,
    join(top, "node_modules/@portkey-ai/gateway/build/start-server.js"),
    `--port=${port}`,
    "--headless",
  ]);
  await answering(`http://127.0.0.1:${port}/`, portkey);
  return [
    { name: "direct", url: `${base}/chat/completions`, headers: {} },
    { name: "rigs", url: `${ours}/v1/chat/completions`, headers: { authorization: `Bearer ${token}` } },
    {
      name: "portkey 1.15.2",
      url: `http://127.0.0.1:${port}/v1/chat/completions`,
      headers: {
        authorization: "Bearer none",
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": base,
      },
    },
  ];
}

function run(name: string, words: readonly string[]): ChildProcess {
  const env = { ...process.env, NODE_ENV: "production" };
  const child = spawn(process.execPath, words, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
  child.stderr?.on("data", (text: Buffer) => process.stderr.write(`${name}: ${text.toString("utf8")}`));
  children.push(child);
  return child;
}

async function lineOf(child: ChildProcess, shape: RegExp): Promise<string> {
  if (child.stdout === null) throw new Error("no output");
  const lines = createInterface({ input: child.stdout });
  for await (const line of lines) {
    const found = shape.exec(line)?.[1];
    if (found === undefined) continue;
    child.stdout.resume();
    return found;
  }
  throw new Error("it ended before it was ready");
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

async function answering(url: string, child: ChildProcess): Promise<void> {
  child.stdout?.resume();
  for (let turn = 0; turn < 200 && child.exitCode === null; turn++) {
    const isThere = await fetch(url).then(
      () => true,
      () => false,
    );
    if (isThere) return;
    await new Promise<void>((done) => setTimeout(done, 50));
  }
  throw new Error(`nobody answers at ${url}`);
}

/** `rate` 1: one after the other. By turns, so that what else the machine does falls on all. */
async function compare(targets: readonly Target[], isStream: boolean, rate: number): Promise<void> {
  // The first calls find code that was not compiled yet, and tanks that nothing is known of.
  for (const target of targets) await paced(target, Math.max(20, rate), warmMs);
  const all = new Map<string, Taken>(targets.map(({ name }) => [name, empty()]));
  for (let round = 0; round < rounds; round++) {
    for (const target of targets) {
      const taken = rate === 1 ? await sequential(target, isStream) : await paced(target, rate, roundMs);
      const known = all.get(target.name);
      if (known === undefined) continue;
      known.firstMs.push(...taken.firstMs);
      known.wholeMs.push(...taken.wholeMs);
      known.failed += taken.failed;
      known.sent += taken.sent;
    }
  }
  const how = `${isStream ? "streaming" : "whole"}, ${rate === 1 ? "one at a time" : `${rate} requests/s`}`;
  const direct = all.get("direct");
  if (direct === undefined) return;
  for (const [name, { failed, sent, firstMs, wholeMs }] of all) {
    const shown = [at(firstMs, 0.5), at(firstMs, 0.99), at(wholeMs, 0.5), at(wholeMs, 0.99)].map((ms) =>
      ms.toFixed(2),
    );
    process.stdout.write(
      `# ${how} | ${name} | ${sent} sent, ${failed} failed | first byte p50 ${shown[0]} p99 ${shown[1]}, whole p50 ${shown[2]} p99 ${shown[3]} ms\n`,
    );
  }
  const [ours, theirs] = [all.get("rigs"), all.get("portkey 1.15.2")];
  if (ours === undefined || theirs === undefined) return;
  for (const [part, label] of [
    ["firstMs", "first byte"],
    ["wholeMs", "whole"],
  ] as const)
    for (const [share, max] of [
      [0.5, 1],
      [0.99, 5],
    ] as const) {
      const added = (taken: Taken) => at(taken[part], share) - at(direct[part], share);
      const isGoal = rate === 500 && isStream;
      print({
        name: `gateway adds, ${how}, ${label}, p${share * 100}`,
        ours: added(ours),
        unit: "ms",
        baseline: { name: "portkey adds", value: added(theirs) },
        goal: isGoal ? { kind: "at-most", max } : { kind: "none" },
      });
    }
}

function empty(): Taken {
  return { firstMs: [], wholeMs: [], failed: 0, sent: 0 };
}

async function sequential(target: Target, isStream: boolean): Promise<Taken> {
  const taken = empty();
  for (let turn = 0; turn < singles; turn++) await ask(target, isStream, performance.now(), taken);
  return taken;
}

/** Sends at the times that the rate says, however slow the answers are. */
async function paced(target: Target, rate: number, ms: number): Promise<Taken> {
  const taken = empty();
  const out = new Set<Promise<void>>();
  const from = performance.now();
  for (let sent = 0; ; ) {
    const now = performance.now();
    if (now - from >= ms) break;
    const due = Math.floor(((now - from) * rate) / 1_000) + 1;
    for (; sent < due; sent++) {
      if (out.size >= outMax) {
        taken.failed += 1;
        taken.sent += 1;
        continue;
      }
      const one = ask(target, true, from + (sent * 1_000) / rate, taken).finally(() => out.delete(one));
      out.add(one);
    }
    await new Promise<void>((done) => setTimeout(done, 1));
  }
  await Promise.all(out);
  return taken;
}

/** `dueAt`: from here it counts. */
function ask(target: Target, isStream: boolean, dueAt: number, taken: Taken): Promise<void> {
  const body = JSON.stringify({
    model: "mock",
    stream: isStream,
    max_tokens: 200,
    messages: [{ role: "user", content }],
  });
  taken.sent += 1;
  return new Promise((done) => {
    let first: number | undefined;
    let tail = "";
    const fail = () => {
      taken.failed += 1;
      done();
    };
    const sent = request(
      target.url,
      {
        method: "POST",
        agent,
        timeout: answerMsMax,
        headers: {
          "content-type": "application/json",
          "content-length": Buffer.byteLength(body),
          ...target.headers,
        },
      },
      (reply) => {
        reply.on("data", (part: Buffer) => {
          first ??= performance.now();
          tail = (tail + part.toString("latin1")).slice(-40);
        });
        reply.on("end", () => {
          if (reply.statusCode !== 200 || first === undefined || (isStream && !tail.includes("[DONE]")))
            return fail();
          taken.firstMs.push(first - dueAt);
          taken.wholeMs.push(performance.now() - dueAt);
          done();
        });
        reply.on("error", fail);
      },
    );
    sent.on("timeout", () => sent.destroy(new Error("too late")));
    sent.on("error", fail);
    sent.end(body);
  });
}

function at(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
