import type { Clock } from "../../base/clock.ts";
import { messageOf, Retryable } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { type StreamName, STREAMS } from "../../wire/subjects.ts";
import { checkSize, streamOf } from "../shared/checks.ts";
import type { ConsumerSpec, Delivery, OutgoingMessage } from "../transport.ts";
import { type Consumer, Consumers } from "./consumers.ts";
import type { Database } from "./database.ts";
import { DeadLetters } from "./dead-letters.ts";
import { deliver } from "./delivery.ts";
import type { Lifetime } from "./lifetime.ts";
import { bytesOf } from "../shared/bytes.ts";
import { type LogTable, packedBatch } from "./logs.ts";
import { type MessageSource, MessageTable, type StoredMessage } from "./messages.ts";
import type { Reserve } from "./reserve.ts";
import { SetAside } from "./set-aside.ts";
import { PendingTable, releaseAstray, releaseHeld } from "./pending.ts";

export interface QueuesOptions {
  readonly database: Database;
  readonly scope: { readonly id: number; readonly name: string };
  readonly logs: LogTable;
  readonly reserve: Reserve;
  readonly clock: Clock;
  readonly lifetime: Lifetime;
}

/** Messages that are about to be stored. */
export interface Outgoing {
  readonly store: () => boolean[];
  readonly announce: () => void;
}

const TRY_AGAIN_MS = 1000;

/** The stored messages of one scope, and what each consumer has still to get of them. */
export class Queues {
  readonly #options: QueuesOptions;
  readonly #consumers: Consumers;
  readonly #messages: MessageTable;
  readonly #pending: PendingTable;
  readonly #deadLetters: DeadLetters;
  readonly #aside: SetAside;

  /** Whatever another process of this scope had in hand is due again. */
  constructor(options: QueuesOptions) {
    const { database, scope, clock } = options;
    this.#options = options;
    releaseHeld(database, scope.id, { died: true });
    releaseAstray(database, scope.id, clock());
    this.#consumers = new Consumers(database, scope.id);
    this.#messages = new MessageTable(database, scope.id, clock);
    this.#pending = new PendingTable(database);
    this.#deadLetters = new DeadLetters(database, scope.name, clock);
    this.#aside = new SetAside(database);
  }

  /** As `Transport.ensureConsumer`. */
  ensure(spec: ConsumerSpec): void {
    this.#consumers.ensure(spec);
  }

  /** As `Transport.consume`. */
  async *consume(spec: ConsumerSpec, signal: AbortSignal): AsyncGenerator<Delivery> {
    const { lifetime } = this.#options;
    lifetime.check();
    const end = AbortSignal.any([lifetime.signal, signal]);
    const consumer = this.#consumers.ensure(spec);
    while (!end.aborted) {
      const next = this.#takeOrWait(consumer);
      if (typeof next === "object") yield next;
      // No `await` between the empty result and the wait: a notification in between would be lost.
      else {
        consumer.asking++;
        await consumer.notifier.wait(next, end);
        consumer.asking--;
      }
    }
  }

  /** Stores messages on one subject in one transaction; returns for each whether it is new. */
  async publishAll(subject: string, given: readonly OutgoingMessage[]): Promise<boolean[]> {
    const { store, announce } = this.outgoing(subject, given);
    const stored = await this.#options.database.writeSoon(store);
    announce();
    return stored;
  }

  /**
   * Checks messages that are to be stored. Call `store` within a transaction; it returns for each message
   * whether it is new. Call `announce` after the commit.
   */
  outgoing(subject: string, given: readonly OutgoingMessage[]): Outgoing {
    const { database, reserve, logs } = this.#options;
    const stream = streamOf(subject);
    const messages = given.map(({ data, id, headers = {} }) => {
      const bytes = bytesOf(data);
      checkSize(subject, bytes.length, headers);
      return this.#prepared(stream, { subject, id, headers, data: bytes });
    });
    if (stream === "logs-engine") reserve.guard((room) => database.emptyLog(room));
    let wanting: readonly Consumer[] = [];
    let isNew = false;
    return {
      store: () => {
        wanting = this.#consumers.wanting(stream, subject);
        const stored = messages.map((message) => this.#insert(message, wanting));
        isNew = stored.includes(true);
        return stored;
      },
      announce: () => {
        if (!isNew) return;
        for (const consumer of wanting) consumer.notifier.notify();
        if (stream === "logs-engine") logs.announce(subject);
      },
    };
  }

  /** As `Transport.holds`. */
  holds(stream: StreamName, id: string): boolean {
    const { logs, scope } = this.#options;
    return stream === "logs-engine" ? logs.holds(id, scope.id) : this.#messages.holds(stream, id);
  }

  /** As `Transport.demand`. */
  demand(subject: string): "none" | "idle" | "open" {
    const wanting = this.#consumers.wanting("messages", subject);
    const isOpen = wanting.some((one) => one.asking > 0 || one.inHand.size > 0 || !this.#pending.hasAny(one));
    return wanting.length === 0 ? "none" : isOpen ? "open" : "idle";
  }

  /** Returns what is in hand, so that it is due at once. */
  release(): void {
    const { database, scope } = this.#options;
    try {
      releaseHeld(database, scope.id, { died: false });
    } catch (error) {
      // They are then due at once in the next process, as after a crash.
      processLog("backend").warn("Cannot let go of what is in hand: {error}", { error: messageOf(error) });
    }
  }

  /** Returns a delivery, or how many milliseconds to wait for the notifier. */
  #takeOrWait(consumer: Consumer): Delivery | number {
    try {
      // A message taken by another iterator meanwhile is due after one ack wait at the earliest.
      return this.#take(consumer) ??
        Math.min(this.#pending.nextDue(consumer) - this.#options.clock(), consumer.ackWaitMs);
    } catch (error) {
      if (!(error instanceof Retryable)) throw error;
      processLog("backend").error("Cannot take a message for {name}, trying again: {error}", {
        name: consumer.name,
        error: messageOf(error),
      });
      return TRY_AGAIN_MS;
    }
  }

  /** Takes the consumer's next message and records the delivery. */
  #take(consumer: Consumer): Delivery | undefined {
    const { database, lifetime, clock, logs } = this.#options;
    for (;;) {
      const next = this.#pending.next(consumer, clock());
      if (!next) return undefined;
      const source = consumer.stream === "logs-engine" ? logs : this.#messages;
      const message = this.#loaded(source, next.seq);
      const desk = {
        database,
        lifetime,
        clock,
        pending: this.#pending,
        deadLetters: this.#deadLetters,
        source,
      };
      if (message) return deliver(desk, consumer, next, message);
      // A log batch removed with its run, or an unreadable message. The engine finds out with `holds`.
      database.run(() => this.#pending.remove(consumer, next.seq));
    }
  }

  #loaded(source: MessageSource, seq: number): StoredMessage | undefined {
    return this.#aside.read(source.place(seq), () => source.load(seq));
  }

  /** Copies a message or packs it: the caller may use its buffer again before it is stored. */
  #prepared(stream: StreamName, message: StoredMessage): Prepared {
    const { id } = message;
    if (stream === "logs-engine") {
      const { logs } = this.#options;
      const batch = packedBatch(message);
      return { isKnown: () => id !== undefined && logs.knows(id), insert: () => logs.insert(batch) };
    }
    // `slice` of a Buffer is no copy.
    const copy = { ...message, data: new Uint8Array(message.data) };
    // A work queue keeps its message until there is a consumer.
    const isQueue = STREAMS[stream].retention === "workqueue";
    return {
      isKnown: () => id !== undefined && this.#messages.knows(stream, id),
      insert: (wanted) => this.#messages.insert(stream, copy, isQueue ? 1 : wanted),
    };
  }

  /**
   * Stores a message for the consumers `wanting`; returns false if its id is known. Call within a
   * transaction.
   */
  #insert({ isKnown, insert }: Prepared, wanting: readonly Consumer[]): boolean {
    if (isKnown()) return false;
    const seq = insert(wanting.length);
    for (const consumer of wanting) this.#pending.add(consumer, seq);
    return true;
  }
}

/** A message that is ready to be stored. Call both within a transaction. */
interface Prepared {
  /** Whether the stream had a message with this id within the deduplication window. */
  readonly isKnown: () => boolean;
  /** Stores it for so many consumers and returns its number. */
  readonly insert: (wanted: number) => number;
}
