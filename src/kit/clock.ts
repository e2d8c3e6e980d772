/** The only source of time above the edges. Milliseconds since the Unix epoch. */
export interface Clock {
  now(): number;
  /** Resolves after `ms` (bounds: 0 to 2^31-1; larger waits are cut there and re-decided by the caller). Rejects with `signal.reason` when aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}
