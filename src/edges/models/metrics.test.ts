import fc from "fast-check";
import { expect, test } from "vitest";
import { isCongested, loadOf, slotsOf } from "./metrics.ts";

test("vLLM: sums over engines, the fullest cache, under its old name and its new", () => {
  const text = (
    cache: string,
  ) => `# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="a} 9"} 3.0
vllm:num_requests_running{engine="1",model_name="a"} 2.0
vllm:num_requests_waiting{engine="0",model_name="a"} 0.0
vllm:num_requests_waiting{engine="1",model_name="a"} 1.0 1795262400000
vllm:${cache}{engine="0",model_name="a"} 0.25
vllm:${cache}{engine="1",model_name="a"} 7.5e-01
vllm:num_requests_waiting_by_reason{reason="capacity"} 50.0
`;
  for (const cache of ["kv_cache_usage_perc", "gpu_cache_usage_perc"])
    expect(loadOf(text(cache))).toEqual({ running: 5, waiting: 1, cacheShare: 0.75 });
});

test("llama.cpp: no labels, and a list of slots", () => {
  const text =
    "llamacpp:requests_processing 2\nllamacpp:requests_deferred 0\nllamacpp:prompt_tokens_total 900\n";
  expect(loadOf(text)).toEqual({ running: 2, waiting: 0, cacheShare: undefined });
  expect(loadOf(`${text}llamacpp:kv_cache_usage_ratio 0.5\r\n`)?.cacheShare).toBe(0.5);
  expect(
    slotsOf([
      { id: 0, is_processing: true },
      { id: 1, is_processing: false },
    ]),
  ).toEqual([{ kind: "slots", max: 2 }]);
});

test("what speaks of neither says nothing", () => {
  for (const text of ["", "<html>", "go_goroutines 5\n", "vllm:num_requests_running NaN\n"])
    expect(loadOf(text)).toBeUndefined();
  for (const json of [undefined, {}, [], [1], [{ id: 0 }, "x"]]) expect(slotsOf(json)).toEqual([]);
});

test("what waits is congestion", () => {
  expect(isCongested({ running: 9, waiting: 0, cacheShare: 1 })).toBe(false);
  expect(isCongested({ running: 1, waiting: 1, cacheShare: undefined })).toBe(true);
});

test("total: counts are whole and not below 0, shares lie in 0 to 1", () => {
  const name = fc.constantFrom(
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:gpu_cache_usage_perc",
    "llamacpp:requests_deferred",
  );
  const value = fc.oneof(
    fc.double().map(String),
    fc.constantFrom("+Inf", "-1", "1e400", "0x10", "9".repeat(50), ""),
  );
  const line = fc.oneof(
    fc.tuple(name, fc.constantFrom("", '{a="b"}', "{", "}"), value).map(([a, b, c]) => `${a}${b} ${c}`),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(line), fc.anything(), (lines, json) => {
      const load = loadOf(lines.join("\n"));
      for (const count of [load?.running ?? 0, load?.waiting ?? 0]) {
        expect(Number.isSafeInteger(count)).toBe(true);
        expect(count).toBeGreaterThanOrEqual(0);
      }
      expect(load?.cacheShare ?? 0).toBeGreaterThanOrEqual(0);
      expect(load?.cacheShare ?? 0).toBeLessThanOrEqual(1);
      slotsOf(json);
    }),
  );
});
