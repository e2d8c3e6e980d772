import { rmSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { insideSocket } from "./arguments.ts";
import { bubblewrapJail } from "./bubblewrap.ts";
import { forwarderOf, insidePort, proxyVariables } from "./forwarder.ts";
import { findHost } from "./host.ts";
import { makeWorkRoot, plainJob, withJail } from "./sandbox.case.ts";

const top = makeWorkRoot();
const workRoot = join(top, "work");
afterAll(() => rmSync(top, { recursive: true }));
const never = new AbortController().signal;
const nowhere = { kind: "allow-list", hosts: [] } as const;

await withJail({ workRoot }, () => {
  const http = createHttpServer((request, response) => response.end(`you asked for ${request.url}`));
  const echo = createServer((socket) => socket.pipe(socket).on("error", () => {}));
  const port = { http: 0, echo: 0 };
  beforeAll(async () => {
    for (const server of [http, echo]) {
      server.listen(0, "127.0.0.1");
      await new Promise((done) => server.once("listening", done));
    }
    port.http = (http.address() as AddressInfo).port;
    port.echo = (echo.address() as AddressInfo).port;
  });
  afterAll(() => {
    http.close();
    echo.close();
  });

  const found = findHost({ workRoot });
  if (found.kind === "refused") throw new Error(found.why);
  const { host } = found;
  const interpreters = { python: host.python, node: host.node };
  const rows = (["python", "node"] as const).filter((name) => interpreters[name] !== undefined);

  test.each(rows)("through the %s forwarder: the named hosts and nothing else", async (name) => {
    const only = { python: undefined, node: undefined, [name]: interpreters[name] };
    const jail = bubblewrapJail({ ...host, ...only }, { privateHosts: [] });
    const ask = (target: string) =>
      `exec 3<>/dev/tcp/127.0.0.1/${insidePort}; printf 'CONNECT ${target} HTTP/1.1\\r\\n\\r\\nhello\\n' >&3; read -r -t 5 line <&3; echo "$line"`;
    const script = `
(${ask(`127.0.0.1:${port.echo}`)}; read -r -t 5 _ <&3; read -r -t 5 line <&3; echo "$line")
(${ask("example.invalid:443")})
(exec 3<>/dev/tcp/127.0.0.1/${port.http}) 2>/dev/null && echo direct
exec 3<>/dev/tcp/127.0.0.1/${insidePort}; printf 'GET http://localhost:${port.http}/page HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n' >&3; cat <&3 | tail -n 1; echo
exit 5`;
    const command = `/bin/bash -c '${script.replaceAll("'", "'\\''")}'`;
    const hosts = [`127.0.0.1:${port.echo}`, `http://localhost:${port.http}`];
    const run = await jail.run({ ...plainJob(command), network: { kind: "allow-list", hosts } }, never);
    expect(run).toMatchObject({ kind: "ended", exitCode: 5, refusedHosts: ["example.invalid:443"] });
    const lines = run.kind === "ended" ? run.output.stdout.replaceAll("\\x0d", "").trim().split("\n") : [];
    expect(lines).toEqual([
      "HTTP/1.1 200 Connection established",
      "hello",
      "HTTP/1.1 403 Forbidden",
      "you asked for /page",
    ]);
  });

  test("the command's exit code comes through the forwarder, also a signal's", async () => {
    for (const name of rows) {
      const jail = bubblewrapJail(
        { ...host, python: undefined, node: undefined, [name]: interpreters[name] },
        { privateHosts: [] },
      );
      const code = async (command: string) => {
        const run = await jail.run({ ...plainJob(command), network: nowhere }, never);
        return run.kind === "ended" ? run.exitCode : run.why;
      };
      expect([name, await code("exit 9"), await code("kill -TERM $$")]).toEqual([name, 9, 143]);
    }
  });

  test("without python and node a jail with network cannot start, and says so", async () => {
    const jail = bubblewrapJail({ ...host, python: undefined, node: undefined }, { privateHosts: [] });
    const run = await jail.run({ ...plainJob("true"), network: nowhere }, never);
    expect(run).toEqual({ kind: "could-not-start", why: expect.stringContaining("python3 or node") });
  });
});

test("package managers find the proxy; the jail's own loopback is asked directly unless it was named", () => {
  expect(proxyVariables(["registry.example.org:443"])).toMatchObject({
    HTTPS_PROXY: `http://127.0.0.1:${insidePort}`,
    NO_PROXY: "localhost,127.0.0.1,::1",
  });
  expect(proxyVariables(["127.0.0.1:4873"]).NO_PROXY).toBe("localhost,::1");
  expect(forwarderOf({ python: "/usr/bin/python3", node: undefined })?.join(" ")).toContain(insideSocket);
});
