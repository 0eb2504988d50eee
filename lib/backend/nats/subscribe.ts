import type { Msg, Subscription } from "@nats-io/transport-node";
import { messageOf } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { abortable, withDeadline } from "../../base/signals.ts";
import { checkFilter } from "../shared/checks.ts";
import { CALL_TIMEOUT_MS, type Link } from "./link.ts";

/** The limit of the wait for the broker's answer when a subscription ends, milliseconds. */
const DRAIN_MS = 2000;

/**
 * Calls `handle` for each message until disposed. Resolves once the broker knows of it. Errors of `handle`
 * are logged.
 */
export async function subscribe(
  link: Link,
  subject: string,
  options: { queue?: string },
  handle: (message: Msg) => unknown,
): Promise<AsyncDisposable> {
  checkFilter(subject);
  const log = processLog("nats");
  const report = (error: unknown) =>
    log.warn("Handling a message on {subject} failed: {error}", { subject, error: messageOf(error) });
  const { connection } = link;
  const subscription = connection.subscribe(subject, {
    ...options,
    callback: (error, message) => {
      if (error) report(error);
      else Promise.try(handle, message).catch(report);
    },
  });
  try {
    await withDeadline(CALL_TIMEOUT_MS, (signal) => abortable(connection.flush(), signal));
  } catch (error) {
    subscription.unsubscribe();
    throw error;
  }
  return { [Symbol.asyncDispose]: () => drained(link, subscription) };
}

/**
 * Ends a subscription; messages that come before the broker knows of that are still handled. Waits for two
 * seconds at most, and not at all without a connection: while the broker's name cannot be resolved, the
 * client's own wait has no end. Never rejects.
 */
export async function drained(link: Link, subscription: Subscription): Promise<void> {
  if (!link.isConnected) return subscription.unsubscribe();
  const drain = subscription.drain();
  await withDeadline(DRAIN_MS, (signal) => abortable(drain, signal)).catch(() => {});
}
