/**
 * How long the built program takes to say its help, beside the shortest life of the same Node. They take turns. Goal: twice.
 * `node bench/startup.ts [rounds, at least 20]`
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { build } from "./built.ts";
import { median, print, timed } from "./figure.ts";

const rounds = Math.max(20, Number(process.argv[2] ?? 30));
using built = build();
const env = { PATH: process.env.PATH ?? "", HOME: join(built.folder, "home") };

async function life(words: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, words, { env, stdio: "ignore" });
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`node ${words.join(" ")}: exit ${code}`);
}

const contestants = {
  bare: ["-e", "0"],
  help: [built.entry, "--help"],
  version: [built.entry, "--version"],
} as const;
const times = { bare: [] as number[], help: [] as number[], version: [] as number[] };
for (let round = -3; round < rounds; round++)
  for (const [name, words] of Object.entries(contestants)) {
    const ms = await timed(() => life(words));
    if (round >= 0) times[name as keyof typeof times].push(ms);
  }
const baseline = { name: "node -e 0", value: median(times.bare) };
const goal = { kind: "ratio", max: 2 } as const;
print({ name: "built rigs --help", ours: median(times.help), unit: "ms", baseline, goal });
print({
  name: "built rigs --version",
  ours: median(times.version),
  unit: "ms",
  baseline,
  goal: { kind: "none" },
});
const least = { name: "node -e 0, fastest", value: Math.min(...times.bare) };
print({
  name: "built rigs --help, fastest",
  ours: Math.min(...times.help),
  unit: "ms",
  baseline: least,
  goal,
});
