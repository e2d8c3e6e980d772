import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { seeded } from "../../kit/random.ts";
import type { Reader } from "../../ports/store.ts";
import { lines } from "./lines.ts";
import { openReader, openStore } from "./sqlite.ts";

const script = fileURLToPath(new URL("./crash.case.ts", import.meta.url));
const killsMax = 10;

/** Starts a writer, kills it after it acknowledged about `count` events, and gives all it acknowledged. */
async function killedAfter(home: string, count: number): Promise<Map<number, string>> {
  const child = spawn(process.execPath, [script, home], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  const acknowledged = new Map<number, string>();
  for await (const line of lines(child.stdout, 1_000)) {
    const [sequence = "", hash = ""] = line.split(" ");
    acknowledged.set(Number(sequence), hash);
    if (acknowledged.size === count) child.kill("SIGKILL");
  }
  await ended;
  expect(acknowledged.size, "it was killed at work").toBeGreaterThanOrEqual(count);
  return acknowledged;
}

async function hashes(store: Reader): Promise<Map<number, string>> {
  const all = new Map<number, string>();
  for (;;) {
    const page = await store.log.read(all.size + 1, 10_000);
    for (const { sequence, hash } of page) all.set(sequence, hash);
    if (page.length < 10_000) return all;
  }
}

test("a writer killed at any moment loses nothing it acknowledged, and what it leaves is sound", async () => {
  const home = mkdtempSync(join(tmpdir(), "rigs-crash-"));
  const random = seeded(20_261_121);
  const acknowledged = new Map<number, string>();
  try {
    for (let kill = 0; kill < killsMax; kill++) {
      for (const [sequence, hash] of await killedAfter(home, 1 + Math.floor(random() * 120)))
        acknowledged.set(sequence, hash);
      // A reader comes first: it must cope with what a killed writer leaves.
      const reader = await openReader(home);
      expect(await reader.audit(), `after kill ${kill + 1}`).toEqual([]);
      const found = await hashes(reader);
      for (const [sequence, hash] of acknowledged) expect(found.get(sequence)).toBe(hash);
      await reader.close();
    }
    const store = await openStore(home, { now: () => Date.now() });
    await store.leases.reap("everyone");
    expect((await store.view.totals()).beads.claimed).toBeUndefined();
    expect(await store.audit()).toEqual([]);
    await store.close();
  } finally {
    rmSync(home, { recursive: true });
  }
});
