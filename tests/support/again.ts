import { Retryable } from "../../lib/base/errors.ts";
import { until } from "./until.ts";

/**
 * Returns the call's outcome, and repeats it while it throws `Retryable`: an election in a cluster takes a
 * while.
 */
export async function again<T>(call: () => Promise<T>): Promise<T> {
  const outcomes: T[] = [];
  await until(async () => {
    try {
      return outcomes.push(await call()) > 0;
    } catch (error) {
      if (error instanceof Retryable) return false;
      throw error;
    }
  }, "the call goes through");
  return outcomes[0] as T;
}
