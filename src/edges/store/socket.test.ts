import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makePrivateFolder } from "./folder.ts";
import { lines } from "./lines.ts";
import { callOwner, connectionsMax, type Handlers, lineBytesMax, serveOwner, socketPath } from "./socket.ts";

type Asked = {
  readonly add: {
    readonly params: { readonly left: number; readonly right: number };
    readonly result: number;
  };
  readonly fail: { readonly params: null; readonly result: never };
  readonly hang: { readonly params: null; readonly result: null };
  readonly large: { readonly params: { readonly bytes: number }; readonly result: string };
};

let hanging = Promise.withResolvers<AbortSignal>();
const handlers: Handlers<Asked> = {
  add: async (params) => {
    const { left, right } = params as Asked["add"]["params"];
    return left + right;
  },
  fail: async () => {
    throw new Error("no goal\n  of that name");
  },
  hang: async (_, signal) => {
    hanging.resolve(signal);
    await once(signal, "abort");
    return null;
  },
  large: async (params) => "x".repeat((params as Asked["large"]["params"]).bytes),
};

let home = "";
let path = "";
const live = new AbortController().signal;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "rigs-socket-"));
  path = socketPath(home);
  hanging = Promise.withResolvers();
});
afterEach(() => rmSync(home, { recursive: true }));

async function served(body: () => Promise<void>): Promise<void> {
  const serving = await serveOwner<Asked>(path, handlers);
  try {
    await body();
  } finally {
    await serving.close();
  }
}

test("answers what it is asked and says why it refuses", () =>
  served(async () => {
    expect(await callOwner<Asked, "add">(path, "add", { left: 2, right: 3 }, live)).toEqual({
      kind: "answered",
      result: 5,
    });
    expect(await callOwner<Asked, "fail">(path, "fail", null, live)).toEqual({
      kind: "refused",
      why: "no goal of that name",
    });
    for (const name of ["nothing", "toString", "__proto__"] as unknown as readonly "fail"[])
      expect(await callOwner<Asked, "fail">(path, name, null, live)).toEqual({
        kind: "refused",
        why: `there is no method "${name}"`,
      });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
  }));

test("answers many callers at once", () =>
  served(async () => {
    const calls = Array.from({ length: 40 }, (_, left) =>
      callOwner<Asked, "add">(path, "add", { left, right: 1 }, live),
    );
    const results = (await Promise.all(calls)).map((called) =>
      called.kind === "answered" ? called.result : 0,
    );
    expect(results).toEqual(Array.from({ length: 40 }, (_, left) => left + 1));
  }));

test("lines are bounded both ways", () =>
  served(async () => {
    const bytes = lineBytesMax;
    expect(await callOwner<Asked, "large">(path, "large", { bytes }, live)).toMatchObject({
      kind: "refused",
    });
    const long = { left: "x".repeat(bytes) } as unknown as Asked["add"]["params"];
    expect(await callOwner<Asked, "add">(path, "add", long, live)).toMatchObject({ kind: "refused" });
    const socket = connect(path);
    socket.write("x".repeat(bytes + 2));
    for await (const line of lines(socket, bytes)) expect(line).toContain("a line has at most");
    const rude = connect(path);
    rude.write('nonsense\n"text"\n{"id":7,"method":"add","params":{"left":1,"right":2}}\n');
    const answers: unknown[] = [];
    for await (const line of lines(rude, bytes)) {
      answers.push(JSON.parse(line));
      if (answers.length === 3) break;
    }
    expect(answers).toMatchObject([{ id: null }, { id: null }, { id: 7, result: 3 }]);
  }));

test("connections are bounded", () =>
  served(async () => {
    const sockets = Array.from({ length: connectionsMax }, () => connect(path));
    await Promise.all(sockets.map((socket) => once(socket, "connect")));
    const one = connect(path);
    one.on("error", () => {});
    await once(one, "close");
    for (const socket of sockets) socket.destroy();
  }));

test("a caller that goes away aborts its handler, an abort ends the call", () =>
  served(async () => {
    const stop = new AbortController();
    const called = callOwner<Asked, "hang">(path, "hang", null, stop.signal);
    const signal = await hanging.promise;
    stop.abort(new Error("not now"));
    await expect(called).rejects.toThrow("not now");
    if (!signal.aborted) await once(signal, "abort");
    await expect(callOwner<Asked, "hang">(path, "hang", null, stop.signal)).rejects.toThrow("not now");
  }));

test("an owner that ends over a call is said, one that is not there as well", async () => {
  expect(await callOwner<Asked, "hang">(path, "hang", null, live)).toEqual({ kind: "no-owner" });
  const serving = await serveOwner<Asked>(path, handlers);
  const called = callOwner<Asked, "hang">(path, "hang", null, live);
  await hanging.promise;
  await serving.close();
  expect(await called).toEqual({ kind: "unanswered" });
  expect(await callOwner<Asked, "hang">(path, "hang", null, live)).toEqual({ kind: "no-owner" });
});

test("a stale socket is replaced, another file is not", async () => {
  makePrivateFolder(dirname(path));
  // A server that dies leaves its socket behind; listening under another name and linking it there looks the same.
  const dead = createServer().listen(`${path}.dead`);
  await once(dead, "listening");
  const { renameSync } = await import("node:fs");
  renameSync(`${path}.dead`, path);
  await new Promise((done) => dead.close(done));
  expect(readdirSync(dirname(path))).toContain("socket");
  expect(await callOwner<Asked, "fail">(path, "fail", null, live)).toEqual({ kind: "no-owner" });
  await served(async () => {
    expect(await callOwner<Asked, "add">(path, "add", { left: 1, right: 1 }, live)).toMatchObject({
      result: 2,
    });
  });
  writeFileSync(path, "mine");
  await expect(serveOwner<Asked>(path, handlers)).rejects.toThrow("in the way");
});

test("a long home gets a short path, its own, in a private folder", async () => {
  const far = join(home, "x".repeat(120));
  const short = socketPath(far);
  expect(Buffer.byteLength(short)).toBeLessThanOrEqual(100);
  expect(short).not.toBe(socketPath(`${far}y`));
  const serving = await serveOwner<Asked>(short, handlers);
  expect(await callOwner<Asked, "add">(short, "add", { left: 1, right: 2 }, live)).toMatchObject({
    result: 3,
  });
  expect(statSync(dirname(short)).mode & 0o777).toBe(0o700);
  await serving.close();
  rmSync(dirname(short), { recursive: true });
});

test("lines come out as they went in, however they are cut", async () => {
  const law = fc.asyncProperty(
    fc.array(fc.string({ unit: "grapheme" })),
    fc.integer({ min: 1, max: 9 }),
    async (texts, size) => {
      const sent = texts.map((text) => text.replaceAll("\n", " "));
      const bytes = Buffer.from(sent.map((text) => `${text}\n`).join(""));
      const chunks = async function* () {
        for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
      };
      const came: string[] = [];
      for await (const line of lines(chunks(), 10_000)) came.push(line);
      expect(came).toEqual(sent);
    },
  );
  await fc.assert(law);
});
