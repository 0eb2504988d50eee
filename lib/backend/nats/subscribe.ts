import type { Msg, NatsConnection } from "@nats-io/transport-node";
import { messageOf } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { abortable, withDeadline } from "../../base/signals.ts";
import { checkFilter } from "../shared/checks.ts";
import { CALL_TIMEOUT_MS } from "./link.ts";

/**
 * Calls `handle` for each message until disposed. Resolves once the broker knows of it. Errors of `handle`
 * are logged.
 */
export async function subscribe(
  connection: NatsConnection,
  subject: string,
  options: { queue?: string },
  handle: (message: Msg) => unknown,
): Promise<AsyncDisposable> {
  checkFilter(subject);
  const log = processLog("nats");
  const report = (error: unknown) =>
    log.warn("Handling a message on {subject} failed: {error}", { subject, error: messageOf(error) });
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
  return { [Symbol.asyncDispose]: () => subscription[Symbol.asyncDispose]() };
}
