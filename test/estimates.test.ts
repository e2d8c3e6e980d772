import { globSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { loadSizeOf, roughSize } from "../src/edges/tokens.ts";
import { seeded } from "../src/kit/random.ts";
import { Estimates } from "../src/work/estimates.ts";

/** Prompts as they are asked: some files of this repository, 4,000 to 40,000 characters in all. */
function prompts(count: number): readonly string[] {
  const files = globSync("{src,test,docs}/**/*.{ts,md,json}").toSorted();
  const random = seeded(7);
  return Array.from({ length: count }, () => {
    let text = "";
    const size = 4_000 + random() * 36_000;
    while (text.length < size) text += readFileSync(files[Math.floor(random() * files.length)] ?? "", "utf8");
    return text.slice(0, size);
  });
}

/** Mean of how far estimates lie off, by what it really was. */
function meanError(rows: readonly (readonly [number, number])[]): number {
  return rows.reduce((sum, [guess, actual]) => sum + Math.abs(guess - actual) / actual, 0) / rows.length;
}

test("prompts are estimated within a tenth once a model was heard, without its tables; reservations hold 9 of 10", async () => {
  const exact = await loadSizeOf();
  const random = seeded(3);
  // Models count alike, each by a factor of its own, beside a frame around each message.
  for (const factor of [0.85, 1, 1.35]) {
    const estimates = new Estimates();
    const raw: [number, number][] = [];
    const learnedRows: [number, number][] = [];
    let below = 0;
    for (const [index, text] of prompts(80).entries()) {
      const counted = roughSize(text);
      const actual = Math.round(exact(text) * factor + 12);
      const { likely, reserved } = estimates.inputOf("a m", counted);
      if (index >= 10) {
        raw.push([counted, actual]);
        learnedRows.push([likely, actual]);
        if (actual <= reserved) below += 1;
      }
      const output = Math.round(200 + 1_800 * random() ** 2);
      estimates.heard("a m", "draft", counted, { input: actual, cachedInput: 0, output });
    }
    expect(meanError(learnedRows)).toBeLessThan(0.1);
    if (factor !== 1) expect(meanError(learnedRows)).toBeLessThan(meanError(raw) * 0.8);
    expect(below / learnedRows.length).toBeGreaterThanOrEqual(0.9);
    const { likely, reserved } = estimates.outputOf("a m", "draft", 8_192);
    expect(likely).toBeGreaterThan(500);
    expect(reserved).toBeLessThan(4_000);
    expect(estimates.outputOf("a m", "plan", 8_192).reserved, "another kind is not known by it").toBe(8_192);
    console.info(
      factor,
      meanError(raw).toFixed(3),
      meanError(learnedRows).toFixed(3),
      below / learnedRows.length,
    );
  }
});

test("what was learned is saved and restored whole; what cannot be read is not known", () => {
  const estimates = new Estimates();
  const usage = { input: 1_300, cachedInput: 0, output: 200 };
  for (let call = 0; call < 8; call++) estimates.heard("a m", "draft", 1_000, usage);
  estimates.heard("b m", "draft", 1_000, { ...usage, output: 0 });
  const saved = JSON.parse(JSON.stringify(estimates.saved()));
  const again = Estimates.restored(saved);
  expect(again.saved()).toEqual(estimates.saved());
  expect(again.inputOf("a m", 2_000)).toEqual(estimates.inputOf("a m", 2_000));
  expect(again.inputOf("b m", 1_000).likely, "no answer teaches nothing").toBe(1_000);
  const junk = { version: 1, inputs: [["a m", { factor: "x" }], 7], outputs: [["a m draft", { mean: -1 }]] };
  for (const each of [undefined, null, [], "x", { version: 2 }, { ...saved, version: 9 }])
    expect(Estimates.restored(each).saved()).toEqual(new Estimates().saved());
  expect(Estimates.restored(junk).outputOf("a m", "draft", 100).reserved).toBe(100);
});

test("a thousand models are remembered, the newest", () => {
  const estimates = new Estimates();
  for (let model = 0; model < 1_200; model++)
    estimates.heard(`m${model}`, "draft", 1_000, { input: 2_000, cachedInput: 0, output: 5 });
  expect(estimates.saved().inputs).toHaveLength(1_000);
  expect(estimates.inputOf("m0", 1_000).likely).toBe(1_000);
  expect(estimates.inputOf("m1199", 1_000).likely).toBe(2_000);
});

test("of a kind that was never heard a model usually writes what it writes else; for the budget nothing is known of it", () => {
  const estimates = new Estimates();
  for (let turn = 0; turn < 20; turn++)
    estimates.heard("a m", "gateway one", 10, { input: 10, cachedInput: 0, output: 5 });
  expect(estimates.outputOf("a m", "gateway two", 8_192)).toEqual({ reserved: 8_192, likely: 5 });
  expect(estimates.outputOf("a m", "gateway two", 3).likely).toBe(3);
  expect(estimates.outputOf("a other", "gateway two", 8_192).likely).toBe(2_048);
});
