/** CPU time of pieces of work, without what looking at the clock costs; a machine with other work does not lengthen it much. */
export class Cpu {
  #us = 0;
  #pieces = 0;
  readonly #emptyUs: number;

  constructor() {
    for (let turn = 0; turn < 2_000; turn++) this.measured(() => undefined);
    this.#us = 0;
    this.#pieces = 0;
    for (let turn = 0; turn < 2_000; turn++) this.measured(() => undefined);
    this.#emptyUs = this.#us / this.#pieces;
    this.#us = 0;
    this.#pieces = 0;
  }

  measured<Value>(work: () => Value): Value {
    const from = process.threadCpuUsage();
    const value = work();
    const { user, system } = process.threadCpuUsage(from);
    this.#us += user + system;
    this.#pieces += 1;
    return value;
  }

  /** All pieces so far. */
  get us(): number {
    return Math.max(0, this.#us - this.#pieces * this.#emptyUs);
  }
}
