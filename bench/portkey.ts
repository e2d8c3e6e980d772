/** Portkey's open-source gateway as people run it, a process of its own on a free port of this machine. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { resolve } from "node:path";

export interface Portkey extends AsyncDisposable {
  readonly url: string;
  readonly process: ChildProcess;
}

/**
 * Portkey 1.15.2 answers every stream with 500 where its server library hands on the headers of a fetched response, which
 * cannot be written (all versions of @hono/node-server that it allows and that were tried): copies can. Some microseconds.
 */
const mendedFetch =
  "const { fetch: plain, Response: Plain } = globalThis; globalThis.fetch = async (...words) => { const { body, status, statusText, headers } = await plain(...words); return new Plain(body, { status, statusText, headers: new Headers(headers) }); };";
/** It ends with whoever started it, also with one that is killed. */
const endingAlone = "process.stdin.on('end', () => process.exit()).resume();";
const shim = `data:text/javascript,${encodeURIComponent(mendedFetch + endingAlone)}`;

const build = resolve(import.meta.dirname, "../node_modules/@portkey-ai/gateway/build/start-server.js");
/** Asked so often whether it is there, and so far apart, ms. */
const [turnsMax, turnMs] = [400, 50];

/** Rejects when it does not answer within some twenty seconds. */
export async function startPortkey(): Promise<Portkey> {
  const port = await freePort();
  const child = spawn(process.execPath, ["--import", shim, build, `--port=${port}`, "--headless"], {
    env: { ...process.env, NODE_ENV: "production" },
    stdio: ["pipe", "ignore", "pipe"],
  });
  // Bounded: it says a line for every call that failed.
  let said = "";
  child.stderr.on("data", (text: Buffer) => {
    said = (said + text.toString("utf8")).slice(-2_000);
  });
  try {
    await answering(`http://127.0.0.1:${port}/`, child);
  } catch (error) {
    await end(child);
    throw new Error(`Portkey: ${(error as Error).message}; it said: ${said}`);
  }
  return { url: `http://127.0.0.1:${port}`, process: child, [Symbol.asyncDispose]: () => end(child) };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const over = once(child, "exit");
  child.kill("SIGTERM");
  await over;
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
  for (let turn = 0; turn < turnsMax && child.exitCode === null; turn++) {
    const isThere = await fetch(url).then(
      async (reply) => {
        await reply.body?.cancel();
        return true;
      },
      () => false,
    );
    if (isThere) return;
    await new Promise<void>((done) => setTimeout(done, turnMs));
  }
  throw new Error(`nobody answers at ${url}`);
}
