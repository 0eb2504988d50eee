/**
 * Timers for any delay. The runtimes store a delay in 32 bits, so a timer of more than 24.8 days fires at
 * once. All of lib/ uses these instead.
 */

const LONGEST_MS = 2 ** 31 - 1;

export interface Timer {
  handle: ReturnType<typeof setTimeout> | undefined;
}

/**
 * Calls `fire` once, after `ms` milliseconds; never for Infinity. `longestMs` is the longest delay passed to
 * the runtime.
 */
export function startTimer(fire: () => void, ms: number, longestMs = LONGEST_MS): Timer {
  const timer: Timer = { handle: undefined };
  const wait = (leftMs: number): void => {
    const part = Math.min(leftMs, longestMs);
    timer.handle = setTimeout(() => part < leftMs ? wait(leftMs - part) : fire(), part);
  };
  wait(ms);
  return timer;
}

/** Calls `fire` every `ms` milliseconds, which must be less than 24 days. */
export function startInterval(fire: () => void, ms: number): Timer {
  if (!(ms <= LONGEST_MS)) throw new RangeError(`Invalid interval ${ms}: expected ${LONGEST_MS} ms at most`);
  return { handle: setInterval(fire, ms) };
}

/** Stops a timer or an interval. Does nothing if it has fired or is undefined. */
export function stopTimer(timer: Timer | undefined): void {
  // The runtimes clear an interval this way too.
  if (timer) clearTimeout(timer.handle);
}

/**
 * Returns a signal that fires after `ms` milliseconds with a `TimeoutError`. It does not keep the process
 * alive.
 */
export function timeoutSignal(ms: number): AbortSignal {
  if (ms <= LONGEST_MS) return AbortSignal.timeout(ms);
  const controller = new AbortController();
  const { handle } = startTimer(() => controller.abort(new DOMException("Timed out", "TimeoutError")), ms);
  if (typeof handle === "object") handle.unref();
  return controller.signal;
}
