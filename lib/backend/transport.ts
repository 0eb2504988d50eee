import type { StreamName } from "../wire/subjects.ts";

/**
 * A message passed to a listener or server: a broadcast, a request, or a stored message as it is published.
 */
export interface Message {
  readonly subject: string;
  readonly data: Uint8Array;
  /** The id it was published with, if the backend shows it to listeners. */
  readonly id?: string | undefined;
  /** Its headers, if the backend shows them to listeners. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A message to be stored. */
export interface OutgoingMessage {
  readonly data: Uint8Array | string;
  readonly id?: string;
  readonly headers?: Record<string, string>;
}

/**
 * One delivery of a stored message to one consumer. The first of `ack`, `nak` and `term` settles it; later
 * calls do nothing. If the ack wait passes without any of them or `working`, the message is delivered again,
 * to any instance.
 */
export interface Delivery extends Message {
  /** The id it was published with. */
  readonly id: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** Number of deliveries of this message to this consumer, from 1. */
  readonly deliveries: number;
  /** Time of storage by the backend's clock, milliseconds since the epoch; undefined if not known. */
  readonly storedAt?: number;
  /**
   * Milliseconds without `working` until redelivery: the consumer's ack wait as last read. Another instance
   * may change it.
   */
  readonly ackWaitMs: number;
  /** Done: never delivered to this consumer again. Resolves when the backend has recorded it. */
  ack(): Promise<void>;
  /** Not done: delivered again after `delayMs` (default 0). */
  nak(delayMs?: number): Promise<void>;
  /** Can never be handled: never delivered again. `reason` is recorded. */
  term(reason: string): Promise<void>;
  /** Still working: restarts the ack wait. */
  working(): Promise<void>;
}

/**
 * A durable consumer, shared by all instances that use its name: each message goes to one of them at a time.
 */
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
 * Transports events, results, log batches and artifacts. The guarantees are those of NATS: delivery at least
 * once; order within a stream at first delivery; deduplication by id for two minutes; no transaction with a
 * Store; messages up to 1 MiB or `maxMessageBytes`.
 *
 * All methods may be called concurrently. They throw `Retryable` if the backend cannot execute a call at the
 * moment, and throw after dispose. Dispose is orderly: iterations end; delivered messages may be acked until
 * it resolves; unacked ones are delivered again after their ack wait. It may be called twice.
 */
export interface Transport extends AsyncDisposable {
  /**
   * Largest message that the backend accepts, headers included, bytes: at most MAX_MESSAGE_BYTES. May change
   * with the connection.
   */
  readonly maxMessageBytes: number;

  /**
   * Stores a message in the stream of its subject (wire/subjects.ts, STREAMS). Resolves when it is stored. If
   * the stream had the same `id` within two minutes, it stores nothing and returns `duplicate: true`. A
   * message on the `messages` stream is kept only if a consumer wants it: see `ensureConsumer`.
   */
  publish(
    subject: string,
    data: Uint8Array | string,
    options?: { id?: string; headers?: Record<string, string> },
  ): Promise<{ duplicate: boolean }>;

  /**
   * Publishes messages on one subject in order, as `publish` does, batched if the backend can. Throws if one
   * cannot be stored: later ones are not stored, earlier ones may be. With ids the call can be repeated
   * safely.
   */
  publishAll(subject: string, messages: readonly OutgoingMessage[]): Promise<void>;

  /** Sends to the current listeners, if any. Not stored, may be lost. */
  broadcast(subject: string, data: Uint8Array | string): Promise<void>;

  /** Receives broadcasts on a subject (wildcards allowed) from when the promise resolves until disposed. */
  listen(subject: string, handler: (message: Message) => void): Promise<AsyncDisposable>;

  /**
   * Sends a request and returns one answer. Throws `Retryable` if there is no server for the subject or no
   * answer in time.
   */
  request(
    subject: string,
    data: Uint8Array | string,
    options: { timeoutMs: number; signal?: AbortSignal },
  ): Promise<Uint8Array>;

  /**
   * Answers requests on a subject (wildcards allowed) from when the promise resolves until disposed. If the
   * handler throws, the request stays unanswered.
   */
  serve(
    subject: string,
    handler: (message: Message) => Promise<Uint8Array | string>,
  ): Promise<AsyncDisposable>;

  /**
   * Creates the consumer if it is missing, so that messages published from now on are kept for it. Filters
   * are added, never removed (engine and drivers each name theirs); the ack wait is raised, never lowered.
   * Never changes the consumer's pending messages.
   */
  ensureConsumer(spec: ConsumerSpec): Promise<void>;

  /**
   * Yields the consumer's messages one at a time. A message is taken only when `next` is called, so no
   * instance holds more than it has free slots. Creates the consumer as `ensureConsumer` does. Returns when
   * `signal` fires; connection problems are retried, not thrown.
   */
  consume(spec: ConsumerSpec, options: { signal: AbortSignal }): AsyncIterable<Delivery>;

  /**
   * True while a stored message with this id has not been acked or termed by every consumer that wants it.
   * The engine asks this before it resends an unclaimed step.
   */
  holds(stream: StreamName, id: string): Promise<boolean>;

  /**
   * Returns who takes messages on a subject of the stream `messages`. `none`: no consumer, so they are not
   * kept. `idle`: they are kept and some are waiting, but no instance is requesting or handling one. `open`:
   * otherwise.
   */
  demand(subject: string): Promise<"none" | "idle" | "open">;

  /**
   * Returns the mark of that name; undefined if there is none. Instances that share an event use marks to
   * find each other. A mark is kept for a day after it was written, or until the backend itself is gone.
   */
  readMark(name: string): Promise<{ readonly text: string; readonly revision: number } | undefined>;

  /**
   * Replaces the mark if it is still at `revision` (0: does not exist) and returns its new revision;
   * otherwise undefined. Of several concurrent writers of one revision, one succeeds.
   */
  writeMark(name: string, text: string, revision: number): Promise<number | undefined>;

  /**
   * Stores bytes under a run and a name atomically; an existing blob is replaced. `name` is a relative path
   * of plain segments; `mode` are the permission bits (default 0644); `mtime` is when it was modified, in
   * seconds since the epoch, not kept before 1970 or after MAX_MTIME. The source may fill one buffer again
   * and again. Returns the size in bytes and the SHA-256 in hex. Throws `InputError` for any other name (it
   * may do so if the run is removed meanwhile), `Retryable` if there is no room or no connection.
   */
  putBlob(
    run: string,
    name: string,
    bytes: AsyncIterable<Uint8Array>,
    options?: { signal?: AbortSignal; mode?: number; mtime?: number },
  ): Promise<{ size: number; sha256: string }>;
}

/** Largest message that any backend accepts, headers included, bytes. */
export const MAX_MESSAGE_BYTES = 1024 * 1024;

/**
 * Smallest limit that a backend may have, bytes. Results, log batches and artifact chunks are made to fit;
 * below it there is no room for an event.
 */
export const LEAST_MESSAGE_BYTES = 16 * 1024;

/** Maximum size of the headers and subject of our messages, bytes. */
export const HEADER_ROOM_BYTES = 4096;

/** How long a message id is remembered, milliseconds. */
export const DEDUPE_WINDOW_MS = 120_000;
