/** With a model of a few kilobytes that is written here; real loads, real tokens, real processes. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { afterAll, describe, expect, test } from "vitest";
import { casePrompt } from "../../ports/model.case.ts";
import type { Model, Prompt } from "../../ports/model.ts";
import { isAlive } from "../alive.ts";
import { parseConfig } from "../config/parse.ts";
import { tinyModel } from "./gguf.case.ts";
import { ggufModel } from "./gguf.ts";
import { whyNotFile, whyNotInstalled } from "./gguffile.ts";
import { openModel } from "./open.ts";

const folder = await mkdtemp(join(tmpdir(), "rigs-gguf-"));
afterAll(() => rm(folder, { recursive: true }));

const canary = "sk-canary-4f1b9c2e7d";
const calm = () => AbortSignal.timeout(60_000);

/** Every test its own file, hence its own process. */
async function written(name: string, bytes: Uint8Array = tinyModel()): Promise<string> {
  const path = join(folder, `${name}.gguf`);
  await writeFile(path, bytes);
  return path;
}

const modelOf = (path: string, changes: { timeoutMs?: number; contextTokens?: number } = {}): Model =>
  ggufModel({
    ...{ provider: "local", name: path, price: undefined, path },
    ...{ contextTokens: 2048, timeoutMs: 60_000, ...changes },
    variables: { ...process.env, WORK_KEY: canary },
  });

/** A program that asks once and hands the answer on. */
const ownerOf = (path: string, contextTokens = 2048) => `
  const { ggufModel } = await import(${JSON.stringify(new URL("gguf.ts", import.meta.url).href)});
  const model = ggufModel({ provider: "l", name: "m", path: ${JSON.stringify(path)}, contextTokens: ${contextTokens}, timeoutMs: 60000, variables: {} });
  process.send("asking");
  process.send(await model.ask(${JSON.stringify(casePrompt)}, AbortSignal.timeout(60000)), () => process.disconnect());
`;

/** The processes that have this file open or in memory, by id. */
function processesOf(path: string): readonly number[] {
  const all = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return all.map(Number).filter((id) => {
    try {
      return readFileSync(`/proc/${id}/maps`, "utf8").includes(path);
    } catch {
      return false;
    }
  });
}

test("what cannot be a model is said in one line before anything is started", async () => {
  const lacking = await whyNotInstalled();
  if (lacking !== undefined) {
    expect(lacking).toMatch(
      /^local models need node-llama-cpp \d+\.\d+\.\d+, which is (not installed|installed as \S+): npm ci --ignore-scripts --prefix \S+llama\/$/,
    );
    expect(await whyNotFile(await written("good"))).toBe(lacking);
    return;
  }
  expect(await whyNotFile(await written("good"))).toBeUndefined();
  const text = await written("text", Buffer.from("# a readme"));
  expect(await whyNotFile(text)).toBe(`${text} is no GGUF file`);
  expect(await whyNotFile(await written("empty", Buffer.alloc(0)))).toMatch(/is no GGUF file$/);
  expect(await whyNotFile(join(folder, "none"))).toBe(
    `the model file ${join(folder, "none")} cannot be read (ENOENT)`,
  );
  expect(await whyNotFile(folder)).toBe(`the model file ${folder} cannot be read (EISDIR)`);
});

const lacking = process.env.RIGS_LLAMA_REQUIRED === "1" ? undefined : await whyNotInstalled();

describe.skipIf(lacking !== undefined)(
  `a file is a model${lacking === undefined ? "" : ` (${lacking})`}`,
  () => {
    test("answers with text, usage and finish, and shows the answer growing", async () => {
      const model = modelOf(await written("answers"));
      const shown: string[] = [];
      const first = await model.ask(casePrompt, calm(), (text) => shown.push(text));
      if (first.kind === "failed") throw new Error(first.fault.why);
      expect(first).toMatchObject({ finish: "length", headers: {} });
      expect(first.usage).toMatchObject({ cachedInput: 0, output: 64 });
      expect(first.text).toMatch(/^[\x20-\x7e]{50,64}$/);
      expect(shown.length).toBeGreaterThan(5);
      for (const [index, text] of shown.slice(1).entries()) expect(text).toContain(shown[index]);
      expect(shown.at(-1)).toBe(first.text);
      const again = await model.ask(casePrompt, calm());
      // The prompt is in memory by now; its last token is always read.
      expect(again.usage).toMatchObject({ input: first.usage.input, output: 64 });
      expect(again.usage.cachedInput).toBeGreaterThan(first.usage.input / 2);
      expect(again.usage.cachedInput).toBeLessThan(first.usage.input);
    });

    test("is loaded once for all who open it, knows no key, and answers one at a time", async () => {
      const path = await written("once");
      await modelOf(path).ask(casePrompt, calm());
      const before = processesOf(path);
      expect(before).toHaveLength(1);
      const [id = 0] = before;
      expect(readFileSync(`/proc/${id}/environ`, "utf8")).not.toContain(canary);
      expect(readlinkSync(`/proc/${id}/cwd`)).toBe("/");
      expect(readFileSync(`/proc/${id}/oom_score_adj`, "utf8").trim()).toBe("1000");
      expect(readFileSync(`/proc/${id}/limits`, "utf8")).toMatch(/Max data size +\d+/);
      const long: Prompt = { ...casePrompt, outputTokensMax: 1500 };
      const both = await Promise.all([
        modelOf(path).ask(long, calm()),
        modelOf(path).ask(casePrompt, calm()),
      ]);
      expect(both).toMatchObject([
        { kind: "said" },
        {
          kind: "failed",
          fault: { kind: "capacity", why: expect.stringContaining("at work on another question") },
        },
      ]);
      expect(processesOf(path)).toEqual(before);
    });

    test("an abort kills it; whoever asks next gets a new one", async () => {
      const path = await written("abort", tinyModel({ context: 200_000 }));
      const model = modelOf(path, { contextTokens: 190_000 });
      const abort = new AbortController();
      const reason = new Error("the goal was cancelled");
      let ids: readonly number[] = [];
      const asked = model.ask({ ...casePrompt, outputTokensMax: 128_000 }, abort.signal, () => {
        if (abort.signal.aborted) return;
        ids = processesOf(path);
        abort.abort(reason);
      });
      await expect(asked).rejects.toBe(reason);
      expect(ids).toHaveLength(1);
      expect(processesOf(path)).toEqual([]);
      expect(await model.ask(casePrompt, calm())).toMatchObject({ kind: "said" });
      await expect(model.ask(casePrompt, AbortSignal.abort("too late"))).rejects.toBe("too late");
    });

    test("time that is over is capacity, and the process is gone", async () => {
      const path = await written("late", tinyModel({ context: 200_000 }));
      const model = modelOf(path, { contextTokens: 190_000, timeoutMs: 2_000 });
      expect(await model.ask({ ...casePrompt, outputTokensMax: 128_000 }, calm())).toMatchObject({
        kind: "failed",
        fault: { kind: "capacity", why: "no complete answer within 2 s" },
      });
      expect(processesOf(path)).toEqual([]);
    });

    test("a crash is a failed call, not ours, and the next call starts anew", async () => {
      const path = await written("crash", tinyModel({ context: 200_000 }));
      const model = modelOf(path, { contextTokens: 190_000 });
      let isFirst = true;
      const reply = await model.ask({ ...casePrompt, outputTokensMax: 128_000 }, calm(), () => {
        if (isFirst) for (const id of processesOf(path)) process.kill(id, "SIGSEGV");
        isFirst = false;
      });
      expect(reply).toMatchObject({
        kind: "failed",
        fault: { kind: "capacity", why: "the process of the model ended (SIGSEGV)" },
      });
      expect(await model.ask(casePrompt, calm())).toMatchObject({ kind: "said" });
    });

    test("an error of the watcher is the caller's and comes back as it is", async () => {
      const model = modelOf(await written("watcher"));
      const bug = new Error("a bug in the watcher");
      const watched = model.ask(casePrompt, calm(), () => {
        throw bug;
      });
      await expect(watched).rejects.toBe(bug);
    });

    test("a broken file is one line, and for good", async () => {
      const good = tinyModel();
      const check = async (name: string, bytes: Uint8Array, why: RegExp) => {
        const path = await written(name, bytes);
        const reply = await modelOf(path).ask(casePrompt, calm());
        if (reply.kind === "said") throw new Error("a broken file answered");
        expect(reply.fault).toMatchObject({ kind: "request", why: expect.stringMatching(why) });
        expect(reply.fault.why).toMatch(/^the model cannot be loaded: [^\n]{5,380}$/);
        expect(processesOf(path)).toEqual([]);
      };
      await check("cut", good.subarray(0, good.length - 5000), /corrupted or incomplete/);
      const other = Buffer.from(good);
      other.writeUInt32LE(99, 4);
      await check("version", other, /version 99/);
    });

    test("a prompt beyond what it was trained for is too large, whatever was configured", async () => {
      const model = modelOf(await written("small", tinyModel({ context: 512 })), { contextTokens: 100_000 });
      const long = { ...casePrompt, messages: [{ from: "user" as const, text: "word ".repeat(120) }] };
      expect(await model.ask(long, calm())).toMatchObject({
        kind: "failed",
        fault: { kind: "too-large", why: expect.stringMatching(/^the prompt takes \d+ of the 512 tokens/) },
      });
      expect(await model.ask(casePrompt, calm())).toMatchObject({ kind: "said" });
    });

    test("a template is data: one that asks for the machine gets nothing of it", async () => {
      const reach =
        "{{ process.pid }}{{ require('fs') }}{{ ''.constructor.constructor('return process')().exit(7) }}";
      const path = await written("template", tinyModel({ template: `${reach}{{ messages[0]['content'] }}` }));
      const reply = await modelOf(path).ask(casePrompt, calm());
      // Either it is refused or another layout is used; the process is not ended by it.
      expect(JSON.stringify(reply)).not.toContain("exit code 7");
      expect(reply.kind === "said" || reply.fault.why.startsWith("the model ")).toBe(true);
    });

    test("a template that goes round for ever costs the time of the call, and no owner's death outlives it", async () => {
      const forever =
        "{% set r = range(20000) %}{% for a in r %}{% for b in r %}{% for c in r %}{% endfor %}{% endfor %}{% endfor %}";
      const path = await written("forever", tinyModel({ template: forever }));
      expect(await modelOf(path, { timeoutMs: 3_000 }).ask(casePrompt, calm())).toMatchObject({
        kind: "failed",
        fault: { kind: "capacity", why: "no complete answer within 3 s" },
      });
      const owner = spawn(process.execPath, ["--input-type=module", "-e", ownerOf(path)], {
        stdio: ["ignore", "ignore", "ignore", "ipc"],
      });
      await once(owner, "message");
      let ids: readonly number[] = [];
      while (ids.length === 0) [ids] = [processesOf(path), await turn()];
      owner.kill("SIGKILL");
      await once(owner, "exit");
      while (ids.some(isAlive)) await turn();
    });

    test("memory that is not there is one line with what to do, and its owner ends by itself", async () => {
      const contextTokens = 2 ** 28;
      const path = await written("large", tinyModel({ context: contextTokens }));
      const bounded = 'ulimit -d 4000000; exec "$0" --input-type=module -e "$1"';
      const owner = spawn("/bin/sh", ["-c", bounded, process.execPath, ownerOf(path, contextTokens)], {
        stdio: ["ignore", "ignore", "ignore", "ipc"],
      });
      const said: unknown[] = [];
      owner.on("message", (message) => said.push(message));
      expect(await once(owner, "exit")).toEqual([0, null]);
      expect(said[1]).toMatchObject({
        fault: {
          kind: "request",
          why: expect.stringMatching(/too large for the available RAM.*; lower context_tokens$/),
        },
      });
    });

    test("the end of an answer is told from its bound", async () => {
      const model = modelOf(await written("mute", tinyModel({ says: "nothing" })));
      expect(await model.ask(casePrompt, calm(), () => undefined)).toMatchObject({
        ...{ kind: "said", text: "", finish: "stop" },
        usage: { output: expect.any(Number) },
      });
    });

    test("is opened from the configuration, from its folder", async () => {
      await written("opened");
      const text =
        '[providers.local]\nkind = "gguf"\nmodel = "opened.gguf"\ncontext_tokens = 1000\noutput_tokens_max = 100';
      const parsed = parseConfig(text, { place: "config.toml", installed: new Set() });
      const [provider] = parsed.kind === "refused" ? [] : parsed.config.providers;
      if (provider === undefined) throw new Error("the text has a provider");
      const world = { variables: {}, folder, userFolder: folder, now: () => 0, given: [] };
      const opened = await openModel(provider, world);
      if (opened.kind === "unusable") throw new Error(opened.why);
      expect(opened.model).toMatchObject({ provider: "local", name: "opened.gguf", price: undefined });
      expect(await opened.model.ask(casePrompt, calm())).toMatchObject({ kind: "said", finish: "length" });
    });
  },
);
