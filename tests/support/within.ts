import { paced, pacedNow } from "./pace.ts";

const LIMIT_MS = 60_000;
/** A little less than the runtimes' limit for a test. */
const LATE_MS = 110_000;

/**
 * Settles as the promise, or fails and names what did not come. The limit is generous: it only keeps a broken
 * test from hanging. Give a lower one for what a fault only makes late.
 */
export async function within<T>(
  promise: PromiseLike<T>,
  what: string | (() => string),
  limitMs = LIMIT_MS,
): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const began = performance.now();
  const look = () => {
    const waited = performance.now() - began;
    const more = pacedNow(limitMs) - waited;
    if (more > 0) timer = setTimeout(look, more);
    else reject(new Error(`Waited ${Math.round(waited)} ms for ${typeof what === "string" ? what : what()}`));
  };
  let timer = setTimeout(look, paced(limitMs));
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A signal that fires once a call has taken so long that its test is broken. */
export const patience = (): AbortSignal => AbortSignal.timeout(paced(LIMIT_MS));

/**
 * Prints the text shortly before a test reaches its limit, because the limit's own error gives no cause.
 * Dispose cancels it.
 */
export function tellLate(text: () => string): Disposable {
  const timer = setTimeout(() => console.error(text()), paced(LATE_MS)).unref();
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}
