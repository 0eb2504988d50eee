import { InputError, messageOf } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { pause } from "../../base/retry.ts";
import type { ConsumerSpec } from "../transport.ts";
import { isStreamMissing, isUnanswered } from "./calls.ts";
import type { Link } from "./link.ts";

/**
 * Calls `ensure` until it succeeds or `signal` fires. Logs each new reason once, and the recovery; a lost
 * connection is logged elsewhere. Throws only `InputError`.
 */
export async function untilThere(
  spec: ConsumerSpec,
  ensure: () => Promise<void>,
  { link, signal }: { link: Link; signal: AbortSignal },
): Promise<void> {
  const log = processLog("nats");
  const about = { consumer: spec.name, stream: spec.stream };
  let said = "";
  for (let tries = 1; !signal.aborted; tries++) {
    try {
      await ensure();
      break;
    } catch (error) {
      if (error instanceof InputError) throw error;
      const trouble = troubleOf(error, spec.stream);
      if (trouble !== said && link.isConnected) {
        log.warn("Consumer {consumer} waits: {trouble}", { ...about, trouble });
        said = trouble;
      }
      // A connection that comes back is noticed at once.
      await pause(link.isConnected ? tries : 1, {
        firstMs: link.isConnected ? 200 : 50,
        mostMs: 1000,
        signal,
      });
    }
  }
  if (said !== "" && !signal.aborted) {
    log.info("Consumer {consumer} of stream {stream} takes messages again", about);
  }
}

function troubleOf(error: unknown, stream: string): string {
  if (isStreamMissing(error)) return `stream "${stream}" does not exist yet`;
  if (isUnanswered(error)) return "JetStream does not answer yet";
  return messageOf(error);
}
