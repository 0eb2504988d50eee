import { Retryable } from "../base/errors.ts";
import { delay } from "../base/signals.ts";

/** The outcome of `work`, tried up to `tries` times while it throws `Retryable`; then the last failure is thrown. */
export async function persist<T>(work: () => Promise<T>, tries = 4): Promise<T> {
  for (let n = 1;; n++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Retryable) || n >= tries) throw error;
      await delay(10 * 4 ** n);
    }
  }
}
