import { Retryable } from "./errors.ts";
import { delay } from "./signals.ts";

const FEW_TRIES = 4;

/** Milliseconds before the try after the n-th one: doubled each time, up to `mostMs`. */
export function backOff(n: number, firstMs: number, mostMs = 15_000): number {
  return Math.min(mostMs, firstMs * 2 ** Math.min(n - 1, 30));
}

/** Somewhere between half of it and all of it, so that those who fail together do not come back together. */
export function jittered(ms: number): number {
  return ms / 2 + Math.random() * ms / 2;
}

/** Waits before the try after the n-th one, or until `signal` fires. Never rejects. */
export async function pause(
  n: number,
  { firstMs, mostMs, signal }: { firstMs: number; mostMs?: number; signal?: AbortSignal | undefined },
): Promise<void> {
  await delay(jittered(backOff(n, firstMs, mostMs)), signal ? { signal } : {}).catch(() => {});
}

export interface RetryOptions {
  /** Ends the trying. */
  readonly signal?: AbortSignal;
  /** Ends the trying so many milliseconds from now. */
  readonly forMs?: number;
  /** Tries at most (default: 4 without `signal` and `forMs`, else any number). */
  readonly tries?: number;
  /** Before the second try, milliseconds (default 50); doubled each time, up to `mostMs` (default 2000). */
  readonly firstMs?: number;
  readonly mostMs?: number;
  /** Whether a failure may pass (default: it is `Retryable`). */
  readonly isTransient?: (error: unknown) => boolean;
}

/**
 * The outcome of `work`, tried again while it fails in a way that may pass, until `signal` fires, time or tries are used up: then
 * the last failure is thrown. One try there is in any case. A full disk is tried three times only: it does not become empty by
 * itself, and the run has to end while its report still fits.
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

/** The failure is a full disk. */
export function isFull(error: Retryable): boolean {
  return error.reason === "disk-full";
}
