/** The gateway as a command keeps it: what it reads of its home while it runs. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hashOf } from "../../src/edges/callers/callers.ts";
import { createToken, serveGateway, tokensOf } from "../../src/main/gateway.ts";
import { insideOf } from "../../src/main/inside.ts";
import { answer, openFakeUpstream, refuse } from "./upstream.case.ts";

test("providers that are added, moved or damaged in the configuration count while the gateway runs", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rigs-following-"));
  const home = join(folder, "home");
  mkdirSync(home);
  let refusing = false;
  const unauthorized = refuse(401, { error: { message: "bad key", code: "invalid_api_key" } });
  await using first = await openFakeUpstream((heard, reply) =>
    (refusing ? unauthorized : answer("first"))(heard, reply),
  );
  await using second = await openFakeUpstream(answer("second"));
  const section = (name: string, url: string) =>
    `[providers.${name}]\nkind = "openai-compatible"\nbase_url = "${url}"\nmodel = "m"\n`;
  const configure = (text: string) => {
    writeFileSync(join(home, "config.toml.new"), text, { mode: 0o600 });
    renameSync(join(home, "config.toml.new"), join(home, "config.toml"));
  };
  configure(section("a", first.url));
  const inside = insideOf({ home, folder, variables: process.env, version: "0" });
  const none = { usdMax: undefined, tokensMax: undefined, rpm: undefined };
  const token = await createToken(inside, { name: "test", ...none });
  const lines: string[] = [];
  let heard: () => void = () => undefined;
  const said = async (shape: RegExp): Promise<string> => {
    for (;;) {
      const found = lines.map((line) => shape.exec(line)?.[1]).find((each) => each !== undefined);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        heard = resolve;
      });
    }
  };
  const say = (line: string) => {
    lines.push(line);
    heard();
  };
  const stop = new AbortController();
  const wish = { host: undefined, port: 0, patienceMs: 1_000 };
  const ended = serveGateway(inside, wish, say, stop.signal);
  try {
    const url = await said(/the gateway is at (\S+)\/v1/);
    const ask = async (model: string) => {
      const reply = await fetch(`${url}/v1/chat/completions`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}` },
        body: JSON.stringify({ model, messages: [{ role: "user", content: "hi" }] }),
      });
      return [reply.status, reply.headers.get("x-rigs-provider"), await reply.text()];
    };
    expect(await ask("a")).toEqual([200, "a", expect.stringContaining("first")]);
    expect(await ask("b")).toEqual([404, null, expect.stringContaining("no model")]);
    // "a" is another server now, with tanks of its own.
    configure(section("a", second.url) + section("b", first.url));
    await said(/the configuration is another now: (models: .*b.*)/);
    expect(await ask("a")).toEqual([200, "a", expect.stringContaining("second")]);
    expect(await ask("b")).toEqual([200, "b", expect.stringContaining("first")]);
    configure("[providers.a]\nkind = 7\n");
    await said(/the changed configuration is not used: (.*)/);
    expect(await ask("b")).toEqual([200, "b", expect.stringContaining("first")]);
    refusing = true;
    expect((await ask("b"))[0]).toBe(502);
    expect(await said(/^b is asked no more until you mend it: (.*)/)).toMatch(
      /HTTP 401.*rigs tank refresh b$/,
    );
    rmSync(join(home, "config.toml"));
    await said(/the changed configuration is not used: (.*gone)/);
  } finally {
    stop.abort();
    await ended;
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a book that is damaged is told where tokens are listed, and one that is none by what to do", async () => {
  const home = mkdtempSync(join(tmpdir(), "rigs-listing-"));
  try {
    writeFileSync(join(home, "config.toml"), "", { mode: 0o600 });
    const inside = insideOf({ home, folder: home, variables: process.env, version: "0" });
    const token = await createToken(inside, { name: "k1", usdMax: undefined, tokensMax: 9, rpm: undefined });
    const line = (kind: string, hash: string) => `{"kind":"${kind}","hash":"${hash}"}\n`;
    const book = join(home, "callers.book");
    for (const damaged of [line("stoood", hashOf(token)), line("stood", "0".repeat(64)), "nobody's\n"]) {
      writeFileSync(book, damaged);
      expect(await tokensOf(inside)).toMatchObject([{ name: "k1", isUnknown: true }]);
    }
    rmSync(book);
    expect(await tokensOf(inside)).toMatchObject([{ name: "k1", isUnknown: false }]);
    mkdirSync(book);
    await expect(tokensOf(inside)).rejects.toThrow(/callers\.book cannot be used \(EISDIR\): mend it, or/);
    const wish = { host: undefined, port: 0, patienceMs: 1_000 };
    const never = serveGateway(inside, wish, () => undefined, new AbortController().signal);
    await expect(never).rejects.toThrow(/callers\.book cannot be used \(EISDIR\)/);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});
