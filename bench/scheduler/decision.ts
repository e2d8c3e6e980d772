/** What one decision costs while 10,000 calls wait: CPU of the dispatcher alone, for each call begun. */
import type { LeaseId } from "../../src/domain/meter.ts";
import { tankFor } from "../../src/domain/profile.ts";
import { VirtualClock } from "../../src/kit/virtual.ts";
import { Dispatcher } from "../../src/work/dispatcher.ts";
import { Cpu } from "./cpu.ts";
import { sourceOf, timer } from "./house.ts";
import { callsOf } from "./jobs.ts";
import { four } from "./provider.ts";

export interface Decisions {
  /** CPU us for each call begun: its part of entering, leaving and looking again. */
  readonly begunUs: number;
  /** The same of one entrance far behind in the line. */
  readonly enterUs: number;
  readonly begun: number;
}

const start = 1_700_000_000_000;
const never = new AbortController().signal;

/** `queued` wait all the time; `begins` calls are begun meanwhile. */
export async function decisions(queued: number, begins: number): Promise<Decisions> {
  const time = new VirtualClock(start);
  const cpu = new Cpu();
  const measured = <Value>(work: () => Value): Value => cpu.measured(work);
  const dispatcher = new Dispatcher({
    clock: { now: () => time.now(), sleep: (ms, signal) => timer(time, ms, signal, measured) },
    ...{ leaseMs: 600_000, patienceMs: 3_600_000 },
  });
  for (const provider of four) {
    const { limits, metering } = sourceOf(provider);
    const kind = metering === "none" ? "plain" : metering;
    const tank = tankFor(provider.name, kind, limits, { now: start, dayEndsAt: undefined });
    dispatcher.offer({ provider: provider.name, tanks: [tank.name], perMs: provider.perMs }, [tank]);
  }
  const calls = callsOf(1, queued + begins, undefined);
  let begun = 0;
  let entered = 0;
  const enter = async () => {
    const call = calls[entered++ % calls.length];
    if (call === undefined) return;
    const id = `c${entered}` as LeaseId;
    const { input, output, outputMax } = call;
    const draft = { input, cachedInput: 0, output: Math.min(outputMax, 2 * output), outputMax };
    // Every tenth is more important than most that wait.
    const rank = entered % 10 === 0 ? 0 : entered;
    const drafts = new Map(four.map(({ name }) => [name, draft]));
    const { signal } = new AbortController();
    const entering = measured(() =>
      dispatcher.enter(
        { id, rank, tenant: "goal", drafts, outputLikely: output, floors: new Map(), warm: undefined },
        signal,
      ),
    );
    const place = await entering;
    if (place.kind === "later") throw new Error(place.why);
    begun += 1;
    const perMs = four.find(({ name }) => name === place.provider)?.perMs ?? 1;
    await time.sleep(output / perMs, never);
    const used = { input, cachedInput: 0, output, outputMax };
    measured(() => dispatcher.leave(id, { ending: { how: "well", used }, readings: [], closure: undefined }));
    // Another comes, so that as many wait as before.
    void enter();
  };
  while (dispatcher.waiting < queued) void enter();
  const enterUs = cpu.us / entered;
  await time.run(() => begun >= Math.min(begins / 3, 500));
  const [from, before] = [begun, cpu.us];
  await time.run(() => begun >= begins);
  return { begunUs: (cpu.us - before) / (begun - from), enterUs, begun };
}
