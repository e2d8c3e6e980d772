import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";

/** A tarball as npm publishes it: everything below "package/". */
export function tarball(files: Readonly<Record<string, string>>): Buffer {
  const blocks = Object.entries(files).flatMap(([path, text]) => {
    const bytes = Buffer.from(text);
    const padding = Buffer.alloc((512 - (bytes.length % 512)) % 512);
    return [header(`package/${path}`, bytes.length), bytes, padding];
  });
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]));
}

/** One ustar header (POSIX.1-1988): name, mode, owner, size, time, checksum, type, magic. */
function header(name: string, size: number): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0);
  block.write("0000644\0", 100);
  block.write("0000000\0", 108);
  block.write("0000000\0", 116);
  block.write(`${size.toString(8).padStart(11, "0")}\0`, 124);
  block.write("00000000000\0", 136);
  block.write("        ", 148);
  block.write("0", 156);
  block.write("ustar\0" + "00", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

/** A wheel with one module, made by Python's own zip program. */
export function wheel(name: string, files: Readonly<Record<string, string>>): Buffer {
  const folder = mkdtempSync(join(tmpdir(), "rigs-wheel-"));
  try {
    const information = `${name}-1.0.0.dist-info`;
    const all: Record<string, string> = {
      ...files,
      [`${information}/METADATA`]: `Metadata-Version: 2.1\nName: ${name}\nVersion: 1.0.0\n`,
      [`${information}/WHEEL`]:
        "Wheel-Version: 1.0\nGenerator: rigs\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    };
    const record = [...Object.keys(all), `${information}/RECORD`].map((path) => `${path},,\n`).join("");
    for (const [path, text] of Object.entries({ ...all, [`${information}/RECORD`]: record })) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    const paths = [...new Set([...Object.keys(all)].map((path) => path.split("/")[0] ?? path))];
    execFileSync("/usr/bin/python3", ["-m", "zipfile", "-c", "made.whl", ...paths], { cwd: folder });
    return readFileSync(join(folder, "made.whl"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A registry of npm and of pip packages on this machine's loopback, with one of each. */
export interface LocalRegistry extends AsyncDisposable {
  /** "http://127.0.0.1:PORT". */
  readonly address: string;
  /** Paths asked for so far. */
  readonly requests: readonly string[];
  /** From now on no answer comes; resolves at the first request that gets none. */
  hold(): Promise<void>;
  /** Answers again, the held ones too. */
  release(): void;
  /** package.json and package-lock.json of a project that needs the package. */
  readonly npmProject: Readonly<Record<string, string>>;
}

/** `token`: npm's part answers 401 without it. */
export async function openRegistry(options: { readonly token?: string } = {}): Promise<LocalRegistry> {
  const script = "require('fs').writeFileSync('/rig/node_modules/ran', 'yes')";
  const tiny = tarball({
    "package.json": JSON.stringify({
      ...{ name: "tiny", version: "1.0.0", main: "index.js" },
      scripts: {
        preinstall: `node -e "${script}"`,
        install: `node -e "${script}"`,
        postinstall: `node -e "${script}"`,
      },
    }),
    "index.js": "module.exports = () => 'tiny works';\n",
  });
  const small = wheel("small", { "small.py": "def say():\n    return 'small works'\n" });
  const integrity = `sha512-${createHash("sha512").update(tiny).digest("base64")}`;
  const requests: string[] = [];
  const held: (() => void)[] = [];
  let [isHolding, onHeld] = [false, () => {}];
  const pages: Record<string, () => Buffer | string> = {
    "/tiny": () =>
      JSON.stringify({
        ...{ name: "tiny", "dist-tags": { latest: "1.0.0" } },
        versions: {
          "1.0.0": {
            ...{ name: "tiny", version: "1.0.0", hasInstallScript: true },
            dist: { tarball: `${address}/tiny/-/tiny-1.0.0.tgz`, integrity },
          },
        },
      }),
    "/tiny/-/tiny-1.0.0.tgz": () => tiny,
    "/simple/small/": () =>
      `<a href="../../files/small-1.0.0-py3-none-any.whl">small-1.0.0-py3-none-any.whl</a>`,
    "/files/small-1.0.0-py3-none-any.whl": () => small,
  };
  const reply = (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url ?? "";
    const isNpm = path.startsWith("/tiny");
    if (isNpm && options.token !== undefined && request.headers.authorization !== `Bearer ${options.token}`)
      return response.writeHead(401).end("{}");
    const page = pages[path];
    const type = path.startsWith("/simple")
      ? "text/html"
      : isNpm && path === "/tiny"
        ? "application/json"
        : "application/octet-stream";
    return page === undefined
      ? response.writeHead(404).end()
      : response.writeHead(200, { "content-type": type }).end(page());
  };
  const server = createServer((request, response) => {
    requests.push(request.url ?? "");
    if (!isHolding) return reply(request, response);
    held.push(() => reply(request, response));
    onHeld();
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    address,
    requests,
    hold: () =>
      new Promise((done) => {
        isHolding = true;
        onHeld = done;
      }),
    release: () => {
      isHolding = false;
      for (const answer of held.splice(0)) answer();
    },
    npmProject: npmProject(`${address}/tiny/-/tiny-1.0.0.tgz`, integrity),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

export function npmProject(resolved: string, integrity: string): Readonly<Record<string, string>> {
  const manifest = { name: "project", version: "1.0.0", dependencies: { tiny: "1.0.0" } };
  return {
    "package.json": JSON.stringify({ ...manifest, scripts: { prepare: "touch /rig/node_modules/prepared" } }),
    "package-lock.json": JSON.stringify({
      ...{ name: "project", version: "1.0.0", lockfileVersion: 3 },
      packages: {
        "": manifest,
        "node_modules/tiny": { version: "1.0.0", resolved, integrity, hasInstallScript: true },
      },
    }),
  };
}
