import { type ChildProcess, spawn } from "node:child_process";
import { expect, test } from "vitest";
import { sweepJails } from "./guard.ts";
import { jailGid, jailUid } from "./host.ts";

const owner = process.getuid?.() === 0 ? { uid: jailUid, gid: jailGid } : undefined;
const url = new URL("./guard.ts", import.meta.url).href;

/** Something that carries a jail's name and would live for long. */
const carry = (name: string) => spawn("/bin/sleep", ["1000"], { argv0: name, stdio: "ignore", ...owner });
const death = (child: ChildProcess) =>
  new Promise((done) => child.once("exit", (_code, signal) => done(signal)));
const line = (child: ChildProcess) =>
  new Promise<string>((done) => child.stdout?.once("data", (chunk) => done(`${chunk}`.trim())));

/**
 * A process that stands a guard, says the name, and waits for its end. Nobody reaps it: while its number is taken,
 * other tests of this machine do not sweep for it, so that only the guard can be what kills.
 */
const server = async () => {
  const program = `
    const { standGuard } = await import(${JSON.stringify(url)});
    console.log(standGuard(${JSON.stringify(owner)}));
    setInterval(() => {}, 60_000);`;
  const words = [process.execPath, "--input-type=module", "-e", program];
  const parent = spawn("/bin/sh", ["-c", '"$@" & exec sleep 1000', "sh", ...words], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const name = await line(parent);
  return { name, pid: Number(name.split("-")[2]), forget: () => parent.kill("SIGKILL") };
};

test("what carries the name dies with its server, however that ends; what carries another does not", async () => {
  const [killed, living] = await Promise.all([server(), server()]);
  expect(killed.name).toMatch(/^rigs-jail-\d+-[0-9a-f]{16}$/);
  const [ours, others] = [carry(killed.name), carry(living.name)];
  const died = death(ours);
  process.kill(killed.pid, "SIGKILL");
  expect(await died).toBe("SIGKILL");
  const diedToo = death(others);
  others.kill("SIGTERM");
  // Not killed before: the first signal is the one that counts.
  expect(await diedToo).toBe("SIGTERM");
  const another = carry(living.name);
  const diedLast = death(another);
  process.kill(living.pid, "SIGTERM");
  expect(await diedLast).toBe("SIGKILL");
  killed.forget();
  living.forget();
});

test("a guard does not keep its server from ending", async () => {
  const short = spawn(process.execPath, [
    "--input-type=module",
    "-e",
    `const { standGuard } = await import(${JSON.stringify(url)}); standGuard(${JSON.stringify(owner)});`,
  ]);
  expect(await new Promise((done) => short.once("exit", done))).toBe(0);
});

test("jails of the dead are swept, those of the living are not", async () => {
  const dead = spawn("/bin/true");
  await death(dead);
  const [orphan, kept] = [carry(`rigs-jail-${dead.pid}-0`), carry(`rigs-jail-${process.pid}-0`)];
  // argv[0] is theirs once they run.
  await Promise.all([orphan, kept].map((child) => new Promise((done) => child.once("spawn", done))));
  const died = death(orphan);
  sweepJails();
  expect(await died).toBe("SIGKILL");
  const diedToo = death(kept);
  kept.kill("SIGTERM");
  expect(await diedToo).toBe("SIGTERM");
});
