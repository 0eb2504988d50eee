import { Retryable } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { startTimer, stopTimer } from "../../base/timers.ts";
import { matches } from "../../wire/subjects.ts";
import { checkFilter, checkSize, checkSubject } from "../shared/checks.ts";
import { bytesOf } from "../shared/bytes.ts";
import type { Message, Transport } from "../transport.ts";
import type { Lifetime } from "./lifetime.ts";

interface Subscription<Handler> {
  readonly filter: string;
  readonly handler: Handler;
}

/**
 * Broadcasts and requests, which are not stored, within this process. A handler runs asynchronously, never
 * inside its caller's call.
 */
export function live(
  lifetime: Lifetime,
): Pick<Transport, "broadcast" | "listen" | "request" | "serve"> {
  const listeners = new Set<Subscription<(message: Message) => void>>();
  const servers = new Set<Subscription<(message: Message) => Promise<Uint8Array | string>>>();

  return {
    broadcast: (subject, data) =>
      lifetime.call(() => {
        const message = liveMessage(subject, data);
        for (const { filter, handler } of listeners) {
          if (matches(filter, subject)) queueMicrotask(() => hear(handler, message));
        }
      }),

    listen: (subject, handler) => lifetime.call(() => subscribe(listeners, { filter: subject, handler })),

    serve: (subject, handler) => lifetime.call(() => subscribe(servers, { filter: subject, handler })),

    request: (subject, data, { timeoutMs, signal }) =>
      lifetime.call(() => {
        const message = liveMessage(subject, data);
        signal?.throwIfAborted();
        const server = [...servers].find(({ filter }) => matches(filter, subject));
        if (!server) throw unanswered(subject, "nobody serves it");
        // Moved to the end, so that several servers of a subject take turns.
        servers.delete(server);
        servers.add(server);
        const signals = signal ? [lifetime.signal, signal] : [lifetime.signal];
        return answer(server.handler, message, timeoutMs, signals);
      }),
  };
}

function liveMessage(subject: string, data: Uint8Array | string): Message {
  checkSubject(subject);
  const bytes = bytesOf(data);
  checkSize(subject, bytes.length, {});
  return { subject, data: bytes };
}

function subscribe<Handler>(
  all: Set<Subscription<Handler>>,
  subscription: Subscription<Handler>,
): AsyncDisposable {
  checkFilter(subscription.filter);
  all.add(subscription);
  return {
    [Symbol.asyncDispose]: () => {
      all.delete(subscription);
      return Promise.resolve();
    },
  };
}

function hear(handler: (message: Message) => void, message: Message): void {
  try {
    handler(message);
  } catch (error) {
    log().error("Cannot handle a broadcast on {subject}: {error}", { subject: message.subject, error });
  }
}

function answer(
  handler: (message: Message) => Promise<Uint8Array | string>,
  message: Message,
  timeoutMs: number,
  signals: AbortSignal[],
): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const timer = startTimer(
    () => reject(unanswered(message.subject, `no answer within ${timeoutMs} ms`)),
    timeoutMs,
  );
  const onAbort = () => reject(signals.find((signal) => signal.aborted)?.reason);
  for (const signal of signals) signal.addEventListener("abort", onAbort, { once: true });
  queueMicrotask(async () => {
    try {
      resolve(bytesOf(await handler(message)));
    } catch (error) {
      log().warn("Cannot answer a request on {subject}: {error}", { subject: message.subject, error });
    }
  });
  return promise.finally(() => {
    stopTimer(timer);
    for (const signal of signals) signal.removeEventListener("abort", onAbort);
  });
}

function unanswered(subject: string, why: string): Retryable {
  return new Retryable(`Cannot ask on "${subject}": ${why}`, { reason: "transport-unreachable" });
}

const log = () => processLog("backend");
