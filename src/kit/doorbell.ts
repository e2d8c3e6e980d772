import type { Clock } from "./clock.ts";

/** Wakes one waiting loop. A ring while nobody waits is kept, so that nothing is missed; many rings are one. */
export class Doorbell {
  #rung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** Resolves at the next ring, or at `until` (ms since the epoch), whichever comes first. Rejects with `signal.reason`. */
  async wait(until: number | undefined, clock: Clock, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#rung) {
      const cancel = new AbortController();
      const stop = () => cancel.abort(signal.reason);
      signal.addEventListener("abort", stop, { once: true });
      const rung = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const aborted = new Promise<void>((resolve) => {
        cancel.signal.addEventListener("abort", () => resolve(), { once: true });
      });
      const timer =
        until === undefined
          ? []
          : [clock.sleep(Math.max(0, until - clock.now()), cancel.signal).catch(() => undefined)];
      await Promise.race([rung, aborted, ...timer]);
      this.#wake = undefined;
      signal.removeEventListener("abort", stop);
      cancel.abort(new Error("the wait is over"));
      signal.throwIfAborted();
    }
    this.#rung = false;
  }
}
