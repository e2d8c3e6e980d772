import { mkdtempSync, rmSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseAllowed, parseTarget, reachOf } from "./addresses.ts";
import { decide, type Lookup, type OpenProxy, openProxy } from "./proxy.ts";

test("the grammar of a target, before anything is matched", () => {
  const check = (target: string, isFine: boolean) =>
    expect([target, parseTarget(target) !== undefined]).toEqual([target, isFine]);
  for (const target of [
    "registry.example.org:443",
    "a:1",
    "a-b.c:65535",
    "127.0.0.1:4873",
    "localhost:80",
    "xn--bcher-kva.example:443",
  ])
    check(target, true);
  for (const target of [
    "evil.example\0.registry.example.org:443",
    "evil.example%00.registry.example.org:443",
    "registry.example.org.:443",
    "Registry.example.org:443",
    "registry.example.org",
    "registry.example.org:",
    "registry.example.org:0",
    "registry.example.org:0443",
    "registry.example.org:65536",
    "registry.example.org:443\n",
    "registry.example.org:443 ",
    " registry.example.org:443",
    "user@registry.example.org:443",
    "registry.example.org:443/path",
    "registry.example.org:443@evil.example:443",
    "[::1]:443",
    "::1:443",
    "-a.example:443",
    "a-.example:443",
    "a..example:443",
    ".example:443",
    "a_b.example:443",
    "bücher.example:443",
    "*.example:443",
    "",
    ":443",
    `${"a".repeat(64)}.example:443`,
    `${"a.".repeat(130)}example:443`,
  ])
    check(target, false);
});

test("entries of an allow-list: https by name and port, http only when it says so", () => {
  expect(parseAllowed("registry.example.org:443")).toEqual({
    kind: "tunnel",
    target: "registry.example.org:443",
  });
  expect(parseAllowed("http://127.0.0.1:4873")).toEqual({ kind: "plain", target: "127.0.0.1:4873" });
  expect(parseAllowed("http://127.0.0.1:4873/")).toEqual({ kind: "plain", target: "127.0.0.1:4873" });
  for (const entry of [
    "https://registry.example.org:443",
    "http://a:80/x",
    "http://a",
    "*:443",
    "a:443,b:443",
  ])
    expect(parseAllowed(entry)).toBe(undefined);
});

test("where an address leads", () => {
  const check = (reach: string, ...addresses: readonly string[]) =>
    expect(addresses.map((address) => [address, reachOf(address)])).toEqual(
      addresses.map((address) => [address, reach]),
    );
  check(
    "public",
    "93.184.216.34",
    "8.8.8.8",
    "172.32.0.1",
    "2606:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
  );
  check(
    "private",
    "127.0.0.1",
    "127.9.9.9",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
  );
  check(
    "private",
    "::1",
    "fd00::1",
    "fc00::1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
  );
  check(
    "never",
    "169.254.169.254",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "fe80::1",
    "ff02::1",
    "::ffff:169.254.169.254",
  );
  check("never", "not an address", "");
});

describe("decisions", () => {
  const allowed = [
    "good.example:443",
    "inner.example:443",
    "10.1.2.3:443",
    "localhost:8080",
    "169.254.169.254:80",
    "http://plain.example:80",
  ].map((entry) => parseAllowed(entry) ?? { kind: "tunnel" as const, target: "" });
  const asked: string[] = [];
  const answers: Record<string, readonly string[]> = {
    "good.example": ["2606:4700::1", "93.184.216.34"],
    "plain.example": ["93.184.216.34"],
    "inner.example": ["10.0.0.9"],
    "mixed.example": ["93.184.216.34", "127.0.0.1"],
  };
  const lookup: Lookup = async (host) => {
    asked.push(host);
    return answers[host] ?? Promise.reject(new Error("ENOTFOUND"));
  };
  const check = async (
    target: string,
    expected: string,
    options: Partial<Parameters<typeof decide>[1]> = {},
    kind: "tunnel" | "plain" = "tunnel",
  ) => {
    const decision = await decide({ kind, target }, { allowed, privateHosts: [], lookup, ...options });
    expect(decision.kind === "go" ? `${decision.address} ${decision.port}` : decision.why).toContain(
      expected,
    );
  };

  test("exact hosts only, and no name is looked up for the others", async () => {
    await check("good.example:443", "93.184.216.34 443");
    asked.length = 0;
    await check("good.example:80", "not on the allow-list");
    await check("sub.good.example:443", "not on the allow-list");
    await check("notgood.example:443", "not on the allow-list");
    await check("evil.example\0.good.example:443", "not a plain host:port");
    expect(asked).toEqual([]);
  });

  test("a name that leads inside is refused, unless the configuration vouches for it", async () => {
    await check("inner.example:443", "private");
    await check("inner.example:443", "10.0.0.9 443", { privateHosts: ["inner.example:443"] });
    await check("inner.example:443", "private", { privateHosts: ["inner.example:80"] });
    const mixed = [{ kind: "tunnel" as const, target: "mixed.example:443" }];
    await check("mixed.example:443", "127.0.0.1", { allowed: mixed });
  });

  test("literal private addresses and localhost pass when they are named; link-local ones never", async () => {
    await check("10.1.2.3:443", "10.1.2.3 443");
    await check("localhost:8080", "127.0.0.1 8080");
    await check("169.254.169.254:80", "special");
  });

  test("http and https entries are different doors", async () => {
    await check("plain.example:80", "93.184.216.34 80", {}, "plain");
    await check("plain.example:80", "not on the allow-list");
    await check("good.example:443", "not on the allow-list", {}, "plain");
  });

  test("a name without an address is refused", async () => {
    await check("gone.example:443", "no address", {
      allowed: [{ kind: "tunnel", target: "gone.example:443" }],
    });
  });
});

describe("on the wire", () => {
  let folder = "";
  let proxy: OpenProxy;
  let echoPort = 0;
  let httpPort = 0;
  const seen: string[] = [];
  const echo = createServer((socket) => socket.pipe(socket).on("error", () => {}));
  const http = createHttpServer((request, response) => {
    seen.push(
      `${request.method} ${request.url} ${request.headers.host} ${request.headers["proxy-authorization"] ?? ""}`,
    );
    response.end("hello");
  });
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "rigs-proxy-"));
    for (const server of [echo, http]) {
      server.listen(0, "127.0.0.1");
      await new Promise((done) => server.once("listening", done));
    }
    echoPort = (echo.address() as AddressInfo).port;
    httpPort = (http.address() as AddressInfo).port;
    const allowed = [`127.0.0.1:${echoPort}`, `http://localhost:${httpPort}`].map(
      (entry) => parseAllowed(entry) ?? { kind: "tunnel" as const, target: "" },
    );
    proxy = await openProxy({ folder, owner: undefined, allowed, privateHosts: [], bytesMax: 200_000 });
  });
  afterAll(async () => {
    await proxy.close();
    echo.close();
    http.close();
    rmSync(folder, { recursive: true });
  });

  /** Sends, collects until `until` is there or the other side closes. */
  const talk = (words: string, until = "\r\n\r\n") =>
    new Promise<string>((done) => {
      const socket = connect(join(folder, "socket"));
      let heard = "";
      socket.on("data", (chunk) => {
        heard += chunk;
        if (!heard.includes(until)) return;
        done(heard);
        socket.destroy();
      });
      socket.on("close", () => done(heard));
      socket.on("error", () => done(heard));
      socket.write(words);
    });

  test("an allowed tunnel carries bytes, also those sent ahead", async () => {
    expect(await talk(`CONNECT 127.0.0.1:${echoPort} HTTP/1.1\r\n\r\nping!`, "ping!")).toBe(
      "HTTP/1.1 200 Connection established\r\n\r\nping!",
    );
  });

  test("others get 403 and are named", async () => {
    for (const target of [
      "evil.example:443",
      `127.0.0.1:${httpPort}`,
      `LOCALHOST:${echoPort}`,
      `127.0.0.1:${echoPort}.`,
    ])
      expect(await talk(`CONNECT ${target} HTTP/1.1\r\n\r\n`)).toMatch(/^HTTP\/1.1 403/);
    expect(await talk(`CONNECT evil\0.127.0.0.1:${echoPort} HTTP/1.1\r\n\r\n`)).not.toContain("200");
    expect(proxy.refusedHosts()).toEqual(
      expect.arrayContaining(["evil.example:443", `127.0.0.1:${httpPort}`]),
    );
  });

  test("plain http: reading from the named host, without what belongs to the proxy", async () => {
    const get = (url: string, method = "GET") =>
      talk(
        `${method} ${url} HTTP/1.1\r\nHost: evil.example\r\nProxy-Authorization: x\r\nConnection: close\r\n\r\n`,
        "hello",
      );
    expect(await get(`http://localhost:${httpPort}/a?b=c`)).toContain("hello");
    expect(seen.at(-1)).toBe(`GET /a?b=c localhost:${httpPort} `);
    const before = seen.length;
    for (const url of [
      `http://127.0.0.1:${httpPort}/`,
      "http://evil.example/",
      "/relative",
      `http://x@localhost:${httpPort}/`,
    ])
      expect(await get(url)).toMatch(/^HTTP\/1.1 403/);
    expect(await get(`http://localhost:${httpPort}/`, "POST")).toMatch(/^HTTP\/1.1 403/);
    expect(seen.length).toBe(before);
  });

  test("the bytes of all connections are bounded", async () => {
    const heard = await talk(`CONNECT 127.0.0.1:${echoPort} HTTP/1.1\r\n\r\n${"x".repeat(400_000)}`, "never");
    expect(heard.length).toBeLessThan(400_000);
    expect(await talk(`CONNECT 127.0.0.1:${echoPort} HTTP/1.1\r\n\r\n`)).toMatch(/^HTTP\/1.1 403/);
  });

  test("at most 20 refused hosts are remembered, each made printable", async () => {
    for (let index = 0; index < 30; index++) await talk(`CONNECT h${index}:1 HTTP/1.1\r\n\r\n`);
    expect(proxy.refusedHosts().length).toBe(20);
  });
});
