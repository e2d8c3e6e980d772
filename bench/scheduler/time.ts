/** Virtual time for packages that take no clock. */
import type { VirtualClock } from "../../src/kit/virtual.ts";

interface Handle {
  readonly off: () => void;
  readonly ref: () => Handle;
  readonly unref: () => Handle;
  readonly hasRef: () => boolean;
}

/** Puts this time in the place of the process's `setTimeout`, `setInterval` and `Date.now` until the result is called. */
export function install(time: VirtualClock): () => void {
  const { setTimeout, clearTimeout, setInterval, clearInterval } = globalThis;
  const { now } = Date;
  const later = (ms: number, ring: () => void) => time.at(time.now() + Math.max(1, ms || 0), ring);
  const set = (ring: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
    handleOf(later(ms, () => ring(...args)));
  const every = (ring: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => {
    let off = () => {};
    const next = () => {
      off = later(ms, () => {
        next();
        ring(...args);
      });
    };
    next();
    return handleOf(() => off());
  };
  // What was set before this time began is not ours to clear.
  const clear = (handle: Partial<Handle> | undefined) => handle?.off?.();
  Object.assign(globalThis, {
    ...{ setTimeout: set, clearTimeout: clear, setInterval: every, clearInterval: clear },
  });
  Date.now = () => time.now();
  return () => {
    Object.assign(globalThis, { setTimeout, clearTimeout, setInterval, clearInterval });
    Date.now = now;
  };
}

function handleOf(off: () => void): Handle {
  const handle: Handle = { off, ref: () => handle, unref: () => handle, hasRef: () => true };
  return handle;
}
