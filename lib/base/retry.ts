import { Retryable } from "./errors.ts";
import { delay } from "./signals.ts";

const FEW_TRIES = 4;

/** Returns the delay after the n-th failure, milliseconds: doubled each time, up to `mostMs`. */
export function backOff(n: number, firstMs: number, mostMs = 15_000): number {
  return Math.min(mostMs, firstMs * 2 ** Math.min(n - 1, 30));
}

/**
 * Returns a random value between `ms / 2` and `ms`, so that simultaneous failures are not retried
 * simultaneously.
 */
export function jittered(ms: number): number {
  return ms / 2 + Math.random() * ms / 2;
}

/** Waits after the n-th failure, or until `signal` fires. Never rejects. */
export async function pause(
  n: number,
  { firstMs, mostMs, signal }: { firstMs: number; mostMs?: number; signal?: AbortSignal | undefined },
): Promise<void> {
  await delay(jittered(backOff(n, firstMs, mostMs)), signal ? { signal } : {}).catch(() => {});
}

export interface RetryOptions {
  /** Ends the retries. */
  readonly signal?: AbortSignal;
  /** Ends the retries after this time, milliseconds. */
  readonly forMs?: number;
  /** Maximum number of tries (default: 4 without `signal` and `forMs`, else unlimited). */
  readonly tries?: number;
  /**
   * Delay before the second try, milliseconds (default 50); doubled each time, up to `mostMs` (default 2000).
   */
  readonly firstMs?: number;
  readonly mostMs?: number;
  /** Returns whether a failure may be temporary (default: it is `Retryable`). */
  readonly isTransient?: (error: unknown) => boolean;
}

/**
 * Returns the result of `work`. While its failure may be temporary, it is retried until `signal` fires or
 * time or tries are used up; then the last failure is thrown. `work` runs at least once. A full disk gets
 * three tries at most: it does not become free by itself, and the run has to end while its report still fits.
 */
export async function retry<T>(work: () => Promise<T>, options: RetryOptions = {}): Promise<T> {
  const { signal, forMs = Infinity, firstMs = 50, mostMs = 2000 } = options;
  const { isTransient = (error) => error instanceof Retryable } = options;
  const tries = options.tries ?? (signal || forMs < Infinity ? Infinity : FEW_TRIES);
  const over = performance.now() + forMs;
  for (let n = 1;; n++) {
    try {
      return await work();
    } catch (error) {
      const most = error instanceof Retryable && isFull(error) ? Math.min(3, tries) : tries;
      if (!isTransient(error) || n >= most || performance.now() >= over) throw error;
      await pause(n, { firstMs, mostMs, signal });
      if (signal?.aborted) throw error;
    }
  }
}

/** True if the failure is a full disk. */
export function isFull(error: Retryable): boolean {
  return error.reason === "disk-full";
}
