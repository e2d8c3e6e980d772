import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { hold } from "./hold.ts";
import { snippet } from "./limits.ts";

test("what it was killed for first is the reason, whatever is hit while it dies", async () => {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const kills: string[] = [];
  const kill = () => void kills.push("kill");
  const run = hold(
    { stdout, stderr, kill, limits: { ...snippet, outputBytesMax: 3 } },
    new AbortController().signal,
  );
  run.stop("disk");
  stdout.end("much more");
  await new Promise((done) => stdout.once("end", done));
  run.release();
  expect(kills).toEqual(["kill"]);
  const output = { stdout: "much more", stderr: "" };
  expect(run.ended(0, "memory", "groups")).toMatchObject({ limit: "disk", exitCode: undefined, output });
});
