import { Retryable, StepFailure } from "../base/errors.ts";

/**
 * Runs work that must not be repeated: turns a `Retryable` into a final StepFailure with the same reason.
 * `what` begins the message; `data` is added to the result.
 */
export async function onceBegun<T>(
  what: string,
  data: Record<string, unknown>,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Retryable)) throw error;
    throw new StepFailure(what, { reason: error.reason, data, cause: error });
  }
}
