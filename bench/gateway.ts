/**
 * What the gateway adds to a call, seen from outside: the same mock asked directly, through `rigs gateway` and through
 * Portkey's open-source gateway, by turns, each a process of its own. `npm run bench:gateway`
 *
 * Latency is counted from the moment a request was due, not from when it could be sent: a gateway that is too slow is
 * not spared. RATES=100,500 chooses others.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { print, printMachine } from "./figure.ts";
import { type Portkey, startPortkey } from "./portkey.ts";

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
  /** Undefined: nobody stands between. */
  readonly process: ChildProcess | undefined;
}

interface Taken {
  readonly firstMs: number[];
  readonly wholeMs: number[];
  failed: number;
  sent: number;
  /** Of the gateway's process, all its threads. */
  cpuMs: number;
}

const agent = new Agent({ keepAlive: true, maxSockets: outMax, maxFreeSockets: outMax });
const answerMsMax = 10_000;
const content = "What does this function do, and what would you change about it? ".repeat(4);

/** Made once: what the sender does for each call is in every figure. */
const bodies = [false, true].map((stream) =>
  Buffer.from(
    JSON.stringify({ model: "mock", stream, max_tokens: 200, messages: [{ role: "user", content }] }),
  ),
);
const nothing = Buffer.alloc(0);

const top = resolve(import.meta.dirname, "..");
const children: ChildProcess[] = [];
const folder = mkdtempSync(join(tmpdir(), "rigs-bench-gateway-"));

try {
  printMachine();
  await using portkey = await startPortkey();
  const targets = await start(portkey);
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

async function start(portkey: Portkey): Promise<readonly Target[]> {
  const mock = await lineOf(run("mock", [join(import.meta.dirname, "gateway-mock.ts")]), /^(\d+)$/);
  const base = `http://127.0.0.1:${mock}/v1`;
  const home = join(folder, "home");
  // With a key, as real ones have it: every answer is looked through for it.
  const provider = `[providers.mock]\nkind = "openai-compatible"\nbase_url = "${base}"\nmodel = "mock"\napi_key_env = "MOCK_KEY"\n`;
  execFileSync("mkdir", ["-p", home]);
  writeFileSync(join(home, "config.toml"), provider, { mode: 0o600 });
  const entry = [join(top, "src/main.ts"), "--home", home, "gateway"];
  const token = execFileSync(process.execPath, [...entry, "token", "create", "bench"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  }).trim();
  const rigs = run("rigs", [...entry, "--port", "0"]);
  const ours = await lineOf(rigs, /at (http:\S+)\/v1/);
  return [
    { name: "direct", url: `${base}/chat/completions`, headers: {}, process: undefined },
    {
      ...{ name: "rigs", url: `${ours}/v1/chat/completions`, process: rigs },
      headers: { authorization: `Bearer ${token}` },
    },
    {
      ...{ name: "portkey 1.15.2", process: portkey.process },
      url: `${portkey.url}/v1/chat/completions`,
      headers: {
        authorization: "Bearer none",
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": base,
      },
    },
  ];
}

function run(name: string, words: readonly string[]): ChildProcess {
  const env = {
    ...process.env,
    NODE_ENV: "production",
    MOCK_KEY: "sk-mock-0123456789abcdef0123456789abcdef",
  };
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

/** `rate` 1: one after the other. By turns, so that what else the machine does falls on all. */
async function compare(targets: readonly Target[], isStream: boolean, rate: number): Promise<void> {
  // The first calls find code that was not compiled yet, and tanks that nothing is known of.
  for (const target of targets) await paced(target, Math.max(20, rate), warmMs);
  const all = new Map<string, Taken>(targets.map(({ name }) => [name, empty()]));
  for (let round = 0; round < rounds; round++) {
    for (const target of targets) {
      const before = cpuMsOf(target.process);
      const taken = rate === 1 ? await sequential(target, isStream) : await paced(target, rate, roundMs);
      const known = all.get(target.name);
      if (known === undefined) continue;
      known.firstMs.push(...taken.firstMs);
      known.wholeMs.push(...taken.wholeMs);
      known.failed += taken.failed;
      known.sent += taken.sent;
      known.cpuMs += cpuMsOf(target.process) - before;
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
  print({
    name: `gateway's CPU for each call, ${how}`,
    ours: ours.cpuMs / ours.sent,
    unit: "ms",
    baseline: { name: "portkey", value: theirs.cpuMs / theirs.sent },
    goal: { kind: "none" },
  });
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
  return { firstMs: [], wholeMs: [], failed: 0, sent: 0, cpuMs: 0 };
}

/** What a process has run so far, as Linux counts it (ns in the first field); NaN elsewhere. */
function cpuMsOf(child: ChildProcess | undefined): number {
  if (child === undefined) return 0;
  try {
    const threads = `/proc/${child.pid}/task`;
    const spans = readdirSync(threads).map((each) =>
      Number(readFileSync(join(threads, each, "schedstat"), "utf8").split(" ")[0]),
    );
    return spans.reduce((sum, span) => sum + span, 0) / 1e6;
  } catch {
    return Number.NaN;
  }
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
  const body = bodies[Number(isStream)] ?? nothing;
  taken.sent += 1;
  return new Promise((resolve) => {
    let firstAt = 0;
    let before: Buffer = nothing;
    let last: Buffer = nothing;
    const fail = () => {
      taken.failed += 1;
      resolve();
    };
    const sent = request(
      target.url,
      {
        method: "POST",
        agent,
        timeout: answerMsMax,
        headers: {
          "content-type": "application/json",
          "content-length": body.byteLength,
          ...target.headers,
        },
      },
      (reply) => {
        reply.on("data", (part: Buffer) => {
          if (firstAt === 0) firstAt = performance.now();
          before = last;
          last = part;
        });
        reply.on("end", () => {
          const isWhole = !isStream || Buffer.concat([before, last]).includes("[DONE]");
          if (reply.statusCode !== 200 || firstAt === 0 || !isWhole) return fail();
          taken.firstMs.push(firstAt - dueAt);
          taken.wholeMs.push(performance.now() - dueAt);
          resolve();
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
