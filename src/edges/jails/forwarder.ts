/** The small program inside the jail that carries connections from its own loopback to the proxy's socket file. */
import { insideSocket } from "./arguments.ts";

/** Nothing else listens in the jail's own loopback before the job does. */
export const insidePort = 3128;

/** Listens first, then runs the shell command it is given and ends with its exit code. */
const inPython = `
import asyncio, sys
async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        pass
async def carry(reader, writer):
    try:
        up_reader, up_writer = await asyncio.open_unix_connection("${insideSocket}")
    except OSError:
        writer.close()
        return
    await asyncio.gather(pump(reader, up_writer), pump(up_reader, writer))
    up_writer.close()
    writer.close()
async def main():
    await asyncio.start_server(carry, "127.0.0.1", ${insidePort})
    process = await asyncio.create_subprocess_exec("/bin/sh", "-c", sys.argv[1])
    code = await process.wait()
    sys.exit(code if code >= 0 else 128 - code)
asyncio.run(main())
`;

const inNode = `
const net = require("node:net");
const server = net.createServer({ allowHalfOpen: true }, (near) => {
  const far = net.connect({ path: "${insideSocket}", allowHalfOpen: true });
  near.pipe(far).on("error", () => near.destroy());
  far.pipe(near).on("error", () => far.destroy());
});
server.listen(${insidePort}, "127.0.0.1", () => {
  const job = require("node:child_process").spawn("/bin/sh", ["-c", process.argv[1]], { stdio: "inherit" });
  job.on("exit", (code, signal) => process.exit(code ?? 128 + require("node:os").constants.signals[signal]));
});
`;

/** Programs of the host that a jail has too; undefined where there is none. */
export interface Interpreters {
  readonly python: string | undefined;
  readonly node: string | undefined;
}

/** The command that takes the job's shell command as its last argument; undefined when neither interpreter is there. */
export function forwarderOf({ python, node }: Interpreters): readonly string[] | undefined {
  if (python !== undefined) return [python, "-I", "-S", "-c", inPython];
  if (node !== undefined) return [node, "-e", inNode];
  return undefined;
}

/** How package managers and programs find the proxy. `hosts` on the jail's own loopback names are proxied too if allowed. */
export function proxyVariables(targets: readonly string[]): Readonly<Record<string, string>> {
  const url = `http://127.0.0.1:${insidePort}`;
  const names = targets.map((target) => target.replace(/:\d+$/, ""));
  const direct = ["localhost", "127.0.0.1", "::1"].filter((name) => !names.includes(name)).join(",");
  return {
    HTTPS_PROXY: url,
    https_proxy: url,
    HTTP_PROXY: url,
    http_proxy: url,
    NO_PROXY: direct,
    no_proxy: direct,
    // Node's own fetch looks at the variables only when told to.
    NODE_USE_ENV_PROXY: "1",
  };
}
