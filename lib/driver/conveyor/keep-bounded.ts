import { messageOf } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { delay } from "../../base/signals.ts";

/**
 * Calls `bound` now and every `everyMs` milliseconds until `signal` fires: a Conveyor server that has lost
 * its data makes its artifacts' bucket anew, without bounds. Says once that it fails, and once that it works
 * again. Never rejects, since a driver works without bounds.
 */
export async function keepBounded(
  bound: () => Promise<void>,
  { everyMs, signal }: { everyMs: number; signal: AbortSignal },
): Promise<void> {
  let told: string | undefined;
  while (!signal.aborted) {
    try {
      await bound();
      if (told !== undefined) processLog("driver").info("What is kept of artifacts is bounded");
      told = undefined;
    } catch (error) {
      const why = messageOf(error);
      if (signal.aborted) return;
      if (why !== told) processLog("driver").warn("Cannot bound what is kept of artifacts: {why}", { why });
      told = why;
    }
    await delay(everyMs, { signal }).catch(() => {});
  }
}
