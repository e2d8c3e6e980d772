/**
 * The whole system on a virtual clock: the real foreman, polecat, survey, proof and delivery over the store in memory,
 * a toy language, noisy models and seeded faults. Laws are judged after every event (test/support/laws.ts).
 * `SEED=n npm run simulate` plays one seed and prints what happened.
 */
import { expect, test } from "vitest";
import { type Report, simulate, simulateCrowd } from "./support/simulation.ts";

const given = process.env.SEED;
const seedsMax = 200;
const wallMsMax = 20_000;
const crowdSeedsMax = 12;
const crowdMsMax = 6_000;

function words({ seed, broken, story, ends, struck, virtualMs }: Report): string {
  const about = `${ends.join(", ")} after ${story.length} events and ${Math.round(virtualMs / 1000)} s; struck: ${struck.join(", ") || "nothing"}`;
  return `SEED=${seed}: ${broken.join("; ") || "every law held"}\n${about}`;
}

test.runIf(given !== undefined)(`seed ${given ?? "n, for SEED=n"}`, async () => {
  const report = await simulate(Number(given));
  process.stdout.write(`${report.story.join("\n")}\n${words(report)}\n`);
  expect(report.broken).toEqual([]);
});

test.runIf(given === undefined)(
  "every law holds after every event, whatever happens",
  async () => {
    const startedAt = performance.now();
    const ends: Record<string, number> = {};
    const struck: Record<string, number> = {};
    let seeds = 0;
    for (let seed = 1; seed <= seedsMax && performance.now() - startedAt < wallMsMax; seed++) {
      const report = await simulate(seed);
      expect(report.broken, `${words(report)}\n${report.story.slice(-25).join("\n")}\n`).toEqual([]);
      for (const end of report.ends) ends[end] = (ends[end] ?? 0) + 1;
      for (const kind of report.struck) struck[kind] = (struck[kind] ?? 0) + 1;
      seeds += 1;
    }
    process.stdout.write(`${seeds} seeds: ${JSON.stringify(ends)}; faults: ${JSON.stringify(struck)}\n`);
    expect(seeds).toBeGreaterThan(20);
    if (seeds < seedsMax) return;
    for (const end of ["delivered", "failed", "needs-answer", "out-of-budget", "cancelled"])
      expect(ends[end] ?? 0, `some goal ends ${end}`).toBeGreaterThan(0);
    const faults = ["crash", "stop", "cancel", "sleep", "rival", "jail", "jail twice", "clone"];
    for (const kind of [...faults, "verifier", "verifier thrice", "verifier failing"])
      expect(struck[kind] ?? 0, `${kind} strikes`).toBeGreaterThan(0);
  },
  90_000,
);

test.runIf(given === undefined)(
  "twenty workers on one small budget: never past it, nobody stops over what may come back, everybody ends",
  async () => {
    const startedAt = performance.now();
    let heldBack = 0;
    for (let seed = 1; seed <= crowdSeedsMax && performance.now() - startedAt < crowdMsMax; seed++) {
      const report = await simulateCrowd(seed);
      expect(report.broken, `crowd, ${words(report)}\n${report.story.slice(-25).join("\n")}\n`).toEqual([]);
      heldBack += report.story.filter((line) => line.includes(" bead-held-back ")).length;
    }
    expect(heldBack, "some were held back").toBeGreaterThan(0);
  },
  60_000,
);
