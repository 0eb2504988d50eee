import { Retryable } from "./errors.ts";
import { delay } from "./signals.ts";

const FEW_TRIES = 4;

/** Milliseconds before the try after the n-th one: doubled each time, up to `mostMs`. */
export function backOff(n: number, firstMs: number, mostMs = 15_000): number {
  return Math.min(mostMs, firstMs * 2 ** Math.min(n - 1, 30));
}

/**
 * The outcome of `work`, tried again while it throws `Retryable`, until `signal` fires, `forMs` milliseconds have passed, or
 * `tries` (without either: 4) are used up: then the last failure is thrown. One try there is in any case. A full disk is not waited for: it does not become empty by itself, and
 * the run has to end while its report still fits.
 */
export async function persist<T>(
  work: () => Promise<T>,
  { signal, forMs = Infinity, tries = signal || forMs < Infinity ? Infinity : FEW_TRIES }: {
    signal?: AbortSignal;
    forMs?: number;
    tries?: number;
  } = {},
): Promise<T> {
  const over = performance.now() + forMs;
  for (let n = 1;; n++) {
    try {
      return await work();
    } catch (error) {
      const most = error instanceof Retryable && isFull(error) ? Math.min(3, tries) : tries;
      if (!(error instanceof Retryable) || n >= most || performance.now() >= over) throw error;
      await delay(backOff(n, 50, 2000), signal ? { signal } : {}).catch(() => {});
      if (signal?.aborted) throw error;
    }
  }
}

/** The failure is a full disk. */
export function isFull(error: Retryable): boolean {
  return error.reason === "disk-full";
}
