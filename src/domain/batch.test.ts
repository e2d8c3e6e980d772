import fc from "fast-check";
import { expect, test } from "vitest";
import { givenBack, type Line, landed, nextStep, refuted } from "./batch.ts";

/** Plays a line where beads at the given places break whatever they land on. */
function play(count: number, bad: ReadonlySet<number>) {
  const out = { landed: [] as number[], back: [] as number[], proofs: 0 };
  let line: Line<number> = { waiting: Array.from({ length: count }, (_, place) => place), redTo: 0 };
  for (let turn = 0; turn < 1_000; turn++) {
    const step = nextStep(line);
    if (step.kind === "over") return out;
    if (step.kind === "give-back") {
      out.back.push(...line.waiting.slice(0, 1));
      line = givenBack(line);
      continue;
    }
    out.proofs += 1;
    const tried = line.waiting.slice(0, step.count);
    const isGreen = !tried.some((place) => bad.has(place));
    if (isGreen) out.landed.push(...tried);
    line = isGreen ? landed(line, step.count) : refuted(line, step.count);
  }
  throw new Error("a line ends");
}

test("law: every bead is landed or given back, in order, within the proofs that are promised", () => {
  const lines = fc
    .nat(20)
    .chain((count) => fc.tuple(fc.constant(count), fc.subarray([...Array(count).keys()])));
  fc.assert(
    fc.property(lines, ([count, places]) => {
      const bad = new Set(places);
      const { landed, back, proofs } = play(count, bad);
      expect(back).toEqual(places);
      expect(landed).toEqual([...Array(count).keys()].filter((place) => !bad.has(place)));
      const depth = count > 1 ? Math.ceil(Math.log2(count)) : 0;
      expect(proofs).toBeLessThanOrEqual((count > 0 ? 1 : 0) + places.length * (1 + depth));
    }),
  );
});

test("eight beads: one proof when all fit, five at most to find one that does not", () => {
  expect(play(8, new Set()).proofs).toBe(1);
  const worst = Math.max(...[...Array(8).keys()].map((place) => play(8, new Set([place])).proofs));
  expect(worst).toBeLessThanOrEqual(5);
});

test("what does not merge with those before it is not tried with them", () => {
  expect(nextStep({ waiting: [1, 2, 3], redTo: 0 }, 2)).toEqual({ kind: "try", count: 2 });
  expect(nextStep({ waiting: [1, 2, 3], redTo: 3 }, 3)).toEqual({ kind: "try", count: 2 });
  expect(nextStep({ waiting: [1], redTo: 1 })).toEqual({ kind: "give-back" });
});
