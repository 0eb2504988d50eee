import type { StreamName } from "../wire/subjects.ts";

/** A message that passes by: a broadcast, a request, or one that is stored and heard as it is published. */
export interface Message {
  readonly subject: string;
  readonly data: Uint8Array;
  /** The id that it was published with, where the backend lets listeners see it. */
  readonly id?: string | undefined;
  /** Its headers, where the backend lets listeners see them. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A message to be stored. */
export interface OutgoingMessage {
  readonly data: Uint8Array | string;
  readonly id?: string;
  readonly headers?: Record<string, string>;
}

/**
 * One delivery of a stored message to one consumer. Exactly one of `ack`, `nak` and `term` ends it; calls after that do
 * nothing. When the ack wait passes without any of them or `working`, the message is delivered again, to any instance.
 */
export interface Delivery extends Message {
  /** The id it was published with. */
  readonly id: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** How often this message has been delivered to this consumer, from 1. */
  readonly deliveries: number;
  /** When it was stored, by the backend's clock, milliseconds since the epoch; undefined where that is not known. */
  readonly storedAt?: number;
  /** Milliseconds without `working` after which it is delivered again: the consumer's own, as last read. Others may change it. */
  readonly ackWaitMs: number;
  /** Done: never delivered to this consumer again. Resolves when the backend has recorded it. */
  ack(): Promise<void>;
  /** Not done: delivered again after `delayMs` (default: at once). */
  nak(delayMs?: number): Promise<void>;
  /** Can never be done: never delivered again, `reason` is recorded. */
  term(reason: string): Promise<void>;
  /** Still at it: the ack wait starts anew. */
  working(): Promise<void>;
}

/** A durable consumer, shared by all who name it: each message goes to one of them at a time. */
export interface ConsumerSpec {
  readonly stream: StreamName;
  /** A subject token. */
  readonly name: string;
  /** Subjects with `*` and `>`; must not overlap. */
  readonly filters: readonly string[];
  /** Milliseconds. */
  readonly ackWaitMs: number;
}

/**
 * How events, results, log batches and artifacts travel. It promises only what NATS can keep: at least once; order
 * within one stream at first delivery; dedupe by id for two minutes; no transaction with a Store; 1 MiB a message, or what
 * `maxMessageBytes` says.
 *
 * Everything may be called at once from many places. A call that the backend cannot carry out just now throws
 * `Retryable`; a call after dispose throws. Dispose is an orderly end: iterations end, what is in hand may still be
 * acked until it resolves, what was not acked is delivered again after its ack wait. Disposing twice is fine.
 */
export interface Transport extends AsyncDisposable {
  /** The largest message that the backend takes just now, headers included: MAX_MESSAGE_BYTES, or less. May change with the connection. */
  readonly maxMessageBytes: number;

  /**
   * Stores a message in the stream that its subject belongs to (wire/subjects.ts, STREAMS). Resolves when it is stored.
   * The same `id` within two minutes in the same stream stores nothing and answers `duplicate`. A message on the
   * `messages` stream that no consumer wants is not kept: see `ensureConsumer`.
   */
  publish(
    subject: string,
    data: Uint8Array | string,
    options?: { id?: string; headers?: Record<string, string> },
  ): Promise<{ duplicate: boolean }>;

  /**
   * As `publish` for one message on the subject after the other, in their order; what the backend can do at once, it does
   * at once. Throws where one cannot be stored: the ones after it are not, those before it may be, which an id makes
   * harmless to do again.
   */
  publishAll(subject: string, messages: readonly OutgoingMessage[]): Promise<void>;

  /** Tells whoever listens right now; nobody may. Not stored, may be lost. */
  broadcast(subject: string, data: Uint8Array | string): Promise<void>;

  /** Hears broadcasts on a subject (wildcards allowed) from the moment the promise resolves until disposed. */
  listen(subject: string, handler: (message: Message) => void): Promise<AsyncDisposable>;

  /** Asks and waits for one answer. Throws `Retryable` when nobody serves the subject or none answers in time. */
  request(
    subject: string,
    data: Uint8Array | string,
    options: { timeoutMs: number; signal?: AbortSignal },
  ): Promise<Uint8Array>;

  /** Answers requests on a subject (wildcards allowed) from the moment the promise resolves until disposed. A handler that throws leaves its request unanswered. */
  serve(
    subject: string,
    handler: (message: Message) => Promise<Uint8Array | string>,
  ): Promise<AsyncDisposable>;

  /**
   * Makes the consumer if it is missing, so that what is published from now on is kept for it. Filters are added, never
   * taken away (engine and drivers each name what they know of); an ack wait is raised, never lowered. Never touches what
   * the consumer already has in store.
   */
  ensureConsumer(spec: ConsumerSpec): Promise<void>;

  /**
   * The consumer's messages, one at a time: a message is taken only when the iterator is asked for its next, so nobody
   * holds more than it has free slots. Makes the consumer as `ensureConsumer` does. Ends (returns, does not throw) when
   * `signal` fires; connection troubles inside are mended, not thrown.
   */
  consume(spec: ConsumerSpec, options: { signal: AbortSignal }): AsyncIterable<Delivery>;

  /**
   * True while a stored message with this id has not been acked or termed by every consumer that wants it. The engine
   * asks before it sends a step again that nobody has claimed.
   */
  holds(stream: StreamName, id: string): Promise<boolean>;

  /**
   * Who takes messages on a subject of the stream `messages`. `none`: they are not kept. `idle`: they are kept, and some wait,
   * but nobody asks for one now or has one in hand. `open`: all else.
   */
  demand(subject: string): Promise<"none" | "idle" | "open">;

  /**
   * The mark of that name, or undefined where there is none. Marks are for instances of one work to find each other; they
   * are kept for a day after they were written, unless the backend itself goes before.
   */
  readMark(name: string): Promise<{ readonly text: string; readonly revision: number } | undefined>;

  /**
   * Writes a mark over the one of this revision (0: over none), and answers the new one's. Undefined where the mark is of
   * another revision by now: of many who write over the same one, one succeeds.
   */
  writeMark(name: string, text: string, revision: number): Promise<number | undefined>;

  /**
   * Stores bytes under a run and a name, whole or not at all; the same name again replaces it. `name` is a relative path
   * of plain segments; `mode` are its permission bits (0644 without). Throws `InputError` on any other name, `Retryable` when there is no room or no connection.
   */
  putBlob(
    run: string,
    name: string,
    bytes: AsyncIterable<Uint8Array>,
    options?: { signal?: AbortSignal; mode?: number },
  ): Promise<{ size: number; sha256: string }>;
}

/** The largest message, headers included, that any backend takes. */
export const MAX_MESSAGE_BYTES = 1024 * 1024;

/** The least that a backend must take. Results, log batches and pieces of artifacts are made to fit; less has no room for an event. */
export const LEAST_MESSAGE_BYTES = 16 * 1024;

/** Room that the headers and the subject of a message of ours need at most. */
export const HEADER_ROOM_BYTES = 4096;

/** How long a message id is remembered, milliseconds. */
export const DEDUPE_WINDOW_MS = 120_000;
