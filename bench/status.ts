/**
 * `rigs status` as a whole process of the built program with 100,000 beads in the store, beside the shortest life of the
 * same Node. They take turns. Goal: at most 300 ms. `node bench/status.ts [beads]`
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { openStore } from "../src/edges/store/sqlite.ts";
import { build } from "./built.ts";
import { median, print, timed } from "./figure.ts";
import { fill } from "./fill.ts";

const beadCount = Number(process.argv[2] ?? 100_000);
const rounds = 20;
using built = build();
const home = join(built.folder, "home");
const store = await openStore(home, { now: () => Date.now() });
await fill(store, beadCount);
await store.close();

const bares: number[] = [];
const statuses: number[] = [];
for (let round = -2; round < rounds; round++) {
  const bare = await timed(() => life(["-e", "0"]));
  const status = await timed(() => life([built.entry, "status", "--home", home]));
  if (round < 0) continue;
  bares.push(bare);
  statuses.push(status);
}
print({
  name: `rigs status, ${beadCount.toLocaleString("en")} beads`,
  ours: median(statuses),
  unit: "ms",
  baseline: { name: "node -e 0", value: median(bares) },
  goal: { kind: "at-most", max: 300 },
});

async function life(words: readonly string[]): Promise<void> {
  const env = { PATH: process.env.PATH ?? "", HOME: home };
  const child = spawn(process.execPath, words, { env, stdio: ["ignore", "pipe", "inherit"] });
  child.stdout?.resume();
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`node ${words.join(" ")}: exit ${code}`);
}
