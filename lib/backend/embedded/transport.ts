import type { Clock } from "../../base/clock.ts";
import { messageOf, Retryable } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { type StreamName, STREAMS } from "../../wire/subjects.ts";
import { checkSize, streamOf } from "../shared/checks.ts";
import {
  type ConsumerSpec,
  type Delivery,
  MAX_MESSAGE_BYTES,
  type OutgoingMessage,
  type Transport,
} from "../transport.ts";
import type { ArtifactTable } from "./artifacts.ts";
import { type Consumer, Consumers } from "./consumers.ts";
import type { Database } from "./database.ts";
import { DeadLetters } from "./dead-letters.ts";
import { deliver } from "./delivery.ts";
import { Lifetime } from "./lifetime.ts";
import { bytesOf, live } from "./live.ts";
import type { LogTable } from "./logs.ts";
import { marks } from "./marks.ts";
import { type MessageSource, MessageTable, type StoredMessage } from "./messages.ts";
import type { Reserve } from "./reserve.ts";
import { SetAside } from "./set-aside.ts";
import { PendingTable, releaseAstray, releaseHeld } from "./pending.ts";

export interface EmbeddedTransportOptions {
  readonly database: Database;
  readonly scope: { readonly id: number; readonly name: string };
  readonly logs: LogTable;
  readonly artifacts: ArtifactTable;
  readonly reserve: Reserve;
  readonly clock: Clock;
}

/** The transport of one scope. Only this process touches the scope's messages. */
export function embeddedTransport(options: EmbeddedTransportOptions): Transport {
  const { database, scope, logs, artifacts, reserve, clock } = options;
  const lifetime = new Lifetime("The transport");
  releaseHeld(database, scope.id, { died: true });
  releaseAstray(database, scope.id, clock());
  const consumers = new Consumers(database, scope.id);
  const messages = new MessageTable(database, scope.id, clock);
  const pending = new PendingTable(database);
  const deadLetters = new DeadLetters(database, scope.name, clock);
  const aside = new SetAside(database);
  const blobs = new Set<Promise<unknown>>();
  const sourceOf = (stream: string) => stream === "logs-engine" ? logs : messages;

  /** Takes the consumer's next message and records the delivery. */
  const take = (consumer: Consumer): Delivery | undefined => {
    for (;;) {
      const next = pending.next(consumer, clock());
      if (!next) return undefined;
      const source = sourceOf(consumer.stream);
      const message = loaded(source, next.seq);
      const desk = { database, lifetime, clock, pending, deadLetters, source };
      if (message) return deliver(desk, consumer, next, message);
      // A log batch removed with its run, or an unreadable message. The engine finds out with `holds`.
      database.run(() => pending.remove(consumer, next.seq));
    }
  };

  const loaded = (source: MessageSource, seq: number): StoredMessage | undefined =>
    aside.read(source.place(seq), () => source.load(seq));

  /** Returns a delivery, or how many milliseconds to wait for the notifier. */
  const takeOrWait = (consumer: Consumer): Delivery | number => {
    try {
      // A message taken by another iterator meanwhile is due after one ack wait at the earliest.
      return take(consumer) ?? Math.min(pending.nextDue(consumer) - clock(), consumer.ackWaitMs);
    } catch (error) {
      if (!(error instanceof Retryable)) throw error;
      processLog("backend").error("Cannot take a message for {name}, trying again: {error}", {
        name: consumer.name,
        error: messageOf(error),
      });
      return TRY_AGAIN_MS;
    }
  };

  const consume = async function* (spec: ConsumerSpec, signal: AbortSignal): AsyncGenerator<Delivery> {
    lifetime.check();
    const signals = [lifetime.signal, signal];
    const consumer = consumers.ensure(spec);
    while (!signals.some((one) => one.aborted)) {
      const next = takeOrWait(consumer);
      if (typeof next === "object") yield next;
      // No `await` between the empty result and the wait: a notification in between would be lost.
      else {
        consumer.asking++;
        await consumer.notifier.wait(next, signals);
        consumer.asking--;
      }
    }
  };

  /**
   * Stores a message for the consumers `wanting`; returns false if its id is known. Call within a
   * transaction.
   */
  const insert = (stream: StreamName, message: StoredMessage, wanting: readonly Consumer[]): boolean => {
    const { id } = message;
    const isLog = stream === "logs-engine";
    if (id !== undefined && (isLog ? logs.knows(id) : messages.knows(stream, id))) return false;
    // A work queue keeps its message until there is a consumer.
    const wanted = STREAMS[stream].retention === "workqueue" ? 1 : wanting.length;
    const seq = isLog ? logs.insert(message) : messages.insert(stream, message, wanted);
    for (const consumer of wanting) pending.add(consumer, seq);
    return true;
  };

  /** Stores messages on one subject in one transaction; returns for each whether it is new. */
  const publishAll = (subject: string, given: readonly OutgoingMessage[]): boolean[] => {
    const stream = streamOf(subject);
    const outgoing = given.map(({ data, id, headers = {} }) => {
      const message = { subject, id, headers, data: bytesOf(data) };
      checkSize(subject, message.data.length, headers);
      return message;
    });
    const wanting = consumers.wanting(stream, subject);
    if (stream === "logs-engine") reserve.guard((room) => database.emptyLog(room));
    const stored = database.write(() => outgoing.map((message) => insert(stream, message, wanting)));
    if (stored.includes(true)) {
      for (const consumer of wanting) consumer.notifier.notify();
      if (stream === "logs-engine") logs.announce(subject);
    }
    return stored;
  };

  return {
    maxMessageBytes: MAX_MESSAGE_BYTES,
    ...live(lifetime),
    ...marks(lifetime, clock),

    publish: (subject, data, options) =>
      lifetime.call(() => ({ duplicate: !publishAll(subject, [{ data, ...options }])[0] })),

    publishAll: (subject, messages) => lifetime.call(() => void publishAll(subject, messages)),

    ensureConsumer: (spec) => lifetime.call(() => void consumers.ensure(spec)),

    consume: (spec, { signal }) => consume(spec, signal),

    holds: (stream, id) =>
      lifetime.call(() => stream === "logs-engine" ? logs.holds(id, scope.id) : messages.holds(stream, id)),

    demand: (subject) =>
      lifetime.call(() => {
        const wanting = consumers.wanting("messages", subject);
        const isOpen = wanting.some((one) => one.asking > 0 || one.inHand.size > 0 || !pending.hasAny(one));
        return wanting.length === 0 ? "none" : isOpen ? "open" : "idle";
      }),

    async putBlob(run, name, bytes, { signal, mode } = {}) {
      lifetime.check();
      reserve.guard((room) => database.emptyLog(room));
      const signals = signal ? [lifetime.signal, signal] : [lifetime.signal];
      const storing = artifacts.put(scope.name, run, name, bytes, {
        signal: AbortSignal.any(signals),
        mode,
      });
      blobs.add(storing);
      try {
        return await storing;
      } finally {
        blobs.delete(storing);
      }
    },

    async [Symbol.asyncDispose]() {
      if (lifetime.signal.aborted) return;
      lifetime.end();
      await Promise.allSettled(blobs);
      try {
        releaseHeld(database, scope.id, { died: false });
      } catch (error) {
        // They are then due at once in the next process, as after a crash.
        processLog("backend").warn("Cannot let go of what is in hand: {error}", { error: messageOf(error) });
      }
    },
  };
}

const TRY_AGAIN_MS = 1000;
