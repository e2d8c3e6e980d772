import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Draft, LeaseId } from "./meter.ts";
import { closed, doubtOf, drawn, isLearned, read, type Window, windowOf, windowReadyAt } from "./window.ts";

const periodMs = 18_000_000;
const start = 1_000_000_000;

/** What is hidden, and how busy it is. */
interface Hidden {
  /** Shares that a thousand tokens take. */
  readonly input: number;
  readonly output: number;
  readonly line: number;
  readonly atOnceMax: number;
}

interface Call {
  readonly id: LeaseId;
  readonly draft: Draft;
  readonly output: number;
  readonly began: number;
  readonly told: number;
}

/**
 * One account that rounds what it tells to a point, and counts a call at its end. Plays some windows with calls of these sizes,
 * and gives how full each was that began when it was learned what tokens take, with what is doubtful of that, and what the
 * smallest call may take.
 */
function played(hidden: Hidden, sizes: readonly Draft[], windows: number) {
  let window: Window = windowOf("5-hour", "share", { limit: 1, periodMs, resetAt: start + periodMs });
  const least = Math.min(...sizes.map(({ input, outputMax }) => shareOfCall(hidden, input, outputMax)));
  const ends: { readonly level: number; readonly doubt: number }[] = [];
  let wasLearned = false;
  let count = 0;
  for (let index = 0; index < windows; index++) {
    const resetAt = start + (index + 1) * periodMs;
    // Nobody waits for the very moment.
    let now = resetAt - periodMs + 300_000;
    let level = 0;
    const open: Call[] = [];
    const tried = (draft: Draft) => {
      if (windowReadyAt(window, draft, 1 - hidden.line, now) > now) return false;
      const id = `c${count++}` as LeaseId;
      // Answers are as long as their number has it, one in ten as long as it may be.
      const output = Math.round((draft.outputMax * (1 + ((count * 7) % 10))) / 10);
      window = drawn(window, id, draft, now);
      open.push({ id, draft, output, began: now, told: Math.round(level * 100) / 100 });
      return true;
    };
    for (let misses = 0; misses < 2 * sizes.length; ) {
      now += 1_000;
      const draft = sizes[(count * 5 + misses) % sizes.length] as Draft;
      misses = open.length < hidden.atOnceMax && tried(draft) ? 0 : misses + 1;
      // The longest answers come last.
      if (open.length < hidden.atOnceMax && misses < sizes.length) continue;
      const [next] = open.splice((count * 3) % Math.max(1, open.length), 1);
      if (next === undefined) continue;
      now += 1_000;
      level += shareOfCall(hidden, next.draft.input, next.output);
      window = read(window, { used: next.told, limit: undefined, resetAt }, next.began, now);
      window = closed(window, next.id, { ...next.draft, output: next.output }, now);
      misses = 0;
    }
    expect(open).toEqual([]);
    if (wasLearned) ends.push({ level, doubt: doubtOf(window) ?? 0 });
    wasLearned = isLearned(window);
    expect(now).toBeLessThan(resetAt);
  }
  return { ends, least };
}

function shareOfCall({ input, output }: Hidden, inputs: number, outputs: number): number {
  return (input * inputs + output * outputs) / 1_000;
}

const size = fc
  .record({
    input: fc.oneof(fc.integer({ min: 2_000, max: 8_000 }), fc.integer({ min: 20_000, max: 80_000 })),
    outputMax: fc.integer({ min: 100, max: 4_096 }),
  })
  .map(({ input, outputMax }): Draft => ({ input, cachedInput: 0, output: outputMax / 2, outputMax }));
/** A thousand input tokens take a tenth of a point up to half of one; output weighs up to twenty times as much, or a fifth. */
const hiddens = fc
  .record({
    input: fc.double({ min: 0.001, max: 0.005, noNaN: true }),
    times: fc.double({ min: 0.2, max: 20, noNaN: true }),
    line: fc.double({ min: 0.5, max: 1, noNaN: true }),
    atOnceMax: fc.integer({ min: 1, max: 16 }),
  })
  .map(({ times, ...hidden }): Hidden => ({ ...hidden, output: hidden.input * times }));

describe("a window of which only a rounded share is told", () => {
  test("law: once it is learned what tokens take, it is never more than a point beyond the line, and work goes on while a call fits", () => {
    let known = 0;
    fc.assert(
      fc.property(hiddens, fc.array(size, { minLength: 4, maxLength: 8 }), (hidden, sizes) => {
        const { ends, least } = played(hidden, sizes, 3);
        fc.pre(least < hidden.line / 4);
        known += ends.length;
        for (const { level, doubt } of ends) {
          expect(level).toBeLessThanOrEqual(hidden.line + 0.01);
          // What the smallest call may take, and what nobody can know.
          expect(level).toBeGreaterThan(hidden.line - 2 * least - 0.02 - doubt);
        }
      }),
      { numRuns: 20 },
    );
    expect(known).toBeGreaterThan(20);
  });

  const draft: Draft = { input: 10_000, cachedInput: 0, output: 100, outputMax: 200 };
  const id = (name: string) => name as LeaseId;
  const fresh = windowOf("5-hour", "share", { limit: 1, periodMs });

  test("what begins with the end of its first call is not over before a period has passed since then", () => {
    let window = drawn(drawn(fresh, id("a"), draft, start), id("b"), draft, start);
    const told = { used: 0, limit: undefined, resetAt: start + periodMs };
    for (const [name, at] of [["a", start + 20_000] as const, ["b", start + 30_000] as const])
      window = closed(read(window, told, start, at), id(name), draft, at);
    expect(window.resetAt).toBe(start + 20_000 + periodMs);
    // Once it is used its end is known.
    const named = start + periodMs - 500_000;
    expect(read(window, { ...told, used: 0.1, resetAt: named }, start + 40_000, start + 50_000).resetAt).toBe(
      named,
    );
  });

  test("a reply to a call that began before the window did tells nothing of it", () => {
    const resetAt = start + 10_000;
    const window = read(fresh, { used: 0.8, limit: undefined, resetAt }, start, start);
    const out = drawn(window, id("a"), draft, start + 5_000);
    const late = read(out, { used: 0.8, limit: undefined, resetAt }, start + 5_000, start + 20_000);
    expect(late).toMatchObject({ used: 0, resetAt: resetAt + periodMs });
  });
});
