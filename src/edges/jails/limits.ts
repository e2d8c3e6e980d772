import { assert } from "../../kit/assert.ts";
import type { Limits } from "../../ports/jail.ts";

const mebibyte = 1024 * 1024;
const gibibyte = 1024 * mebibyte;

/** Small untrusted programs: one function, a few inputs, generous for neither. */
export const snippet: Limits = {
  wallMsMax: 10_000,
  cpuSecondsMax: 10,
  memoryBytesMax: 512 * mebibyte,
  processesMax: 40,
  descriptorsMax: 256,
  fileBytesMax: 64 * mebibyte,
  temporaryBytesMax: 32 * mebibyte,
  sharedMemoryBytesMax: 16 * mebibyte,
  diskBytesMax: 128 * mebibyte,
  outputBytesMax: mebibyte,
};

/** What the machine has to share out. `workers` is how many jails may run at once. */
export interface Machine {
  readonly cores: number;
  readonly memoryBytes: number;
  readonly workers: number;
}

/** A whole repository's build and tests: room for compilers and bundlers, memory shared fairly between workers. */
export function repository(machine: Machine, wallMsMax: number): Limits {
  assert(machine.cores >= 1, "a machine has a core");
  assert(machine.workers >= 1, "somebody works");
  assert(wallMsMax >= 1, "a run may take some time");
  return {
    wallMsMax,
    cpuSecondsMax: Math.ceil((wallMsMax / 1000) * machine.cores),
    memoryBytesMax: Math.floor(machine.memoryBytes / 2 / machine.workers),
    processesMax: 1024,
    descriptorsMax: 8192,
    fileBytesMax: gibibyte,
    temporaryBytesMax: gibibyte,
    sharedMemoryBytesMax: 256 * mebibyte,
    diskBytesMax: 4 * gibibyte,
    outputBytesMax: 16 * mebibyte,
  };
}
