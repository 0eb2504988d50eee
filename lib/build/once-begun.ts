import { Retryable, StepFailure } from "../base/errors.ts";

/**
 * Does a part of what must not be done twice: where the machinery fails, the step is not tried again but ends, for that
 * reason. `what` begins the message; `data` are facts for the result.
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
