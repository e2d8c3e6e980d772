/** Calls that run and wait, by model, as inference servers tell them (reference on rate limits, 1.6). */
export interface Busy {
  readonly running: Map<string, number>;
  readonly waiting: Map<string, number>;
}

export function nobodyBusy(): Busy {
  return { running: new Map(), waiting: new Map() };
}

/** Counts a call, as waiting until its turn comes, as running until it is disposed of. */
export function busyWith(busy: Busy, model: string, turn: Promise<void> | undefined): Disposable {
  let place = turn === undefined ? busy.running : busy.waiting;
  add(place, model, 1);
  let isOver = false;
  void turn?.then(() => {
    if (isOver) return;
    add(place, model, -1);
    place = busy.running;
    add(place, model, 1);
  });
  return {
    [Symbol.dispose]() {
      if (isOver) return;
      isOver = true;
      add(place, model, -1);
    },
  };
}

function add(counts: Map<string, number>, model: string, change: number): void {
  const next = (counts.get(model) ?? 0) + change;
  if (next > 0) counts.set(model, next);
  else counts.delete(model);
}

/** In Prometheus' text form, under vLLM's names and llama.cpp's. */
export function metricsText(busy: Busy, models: readonly string[]): string {
  const gauge = (name: string, help: string, counts: ReadonlyMap<string, number>): readonly string[] => [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} gauge`,
    ...models.map((model) => `${name}{model_name="${model}"} ${(counts.get(model) ?? 0).toFixed(1)}`),
  ];
  const total = (counts: ReadonlyMap<string, number>) =>
    [...counts.values()].reduce((sum, each) => sum + each, 0);
  return [
    ...gauge("vllm:num_requests_running", "Number of requests in model execution batches.", busy.running),
    ...gauge("vllm:num_requests_waiting", "Number of requests waiting to be processed.", busy.waiting),
    "# TYPE llamacpp:requests_processing gauge",
    `llamacpp:requests_processing ${total(busy.running)}`,
    "# TYPE llamacpp:requests_deferred gauge",
    `llamacpp:requests_deferred ${total(busy.waiting)}`,
    "",
  ].join("\n");
}
