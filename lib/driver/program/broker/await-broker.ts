import { BrokerAwayError } from "../../../backend/nats/connection.ts";
import { processLog } from "../../../base/log.ts";
import { backOff } from "../../../base/retry.ts";
import { delay } from "../../../base/signals.ts";

const FIRST_MS = 100;
const MOST_MS = 5000;

/**
 * Calls `open` and retries for `waitMs` while no broker answers at its address; logs that once. Throws
 * the error of `open` when that time is over, and any other error at once; `signal.reason`.
 */
export async function awaitBroker<T>(
  open: () => Promise<T>,
  { waitMs, signal, category }: { waitMs: number; signal: AbortSignal; category: string },
): Promise<T> {
  const over = performance.now() + waitMs;
  for (let n = 1;; n++) {
    try {
      return await open();
    } catch (error) {
      const leftMs = over - performance.now();
      if (!(error instanceof BrokerAwayError) || leftMs <= 0) throw error;
      if (n === 1) processLog(category).warn("Waiting for the broker: {why}", { why: error.message });
      await delay(Math.min(backOff(n, FIRST_MS, MOST_MS), leftMs), { signal });
    }
  }
}
