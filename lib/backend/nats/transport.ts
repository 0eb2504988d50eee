import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { headers as newHeaders, type Msg, type NatsConnection } from "@nats-io/transport-node";
import { UnavailableError } from "../../base/errors.ts";
import { abortable, withDeadline } from "../../base/signals.ts";
import { type StreamName, STREAMS } from "../../wire/subjects.ts";
import { checkConsumer, checkSize, checkSubject, streamOf } from "../shared/checks.ts";
import { bytesOf } from "../shared/bytes.ts";
import type { ConsumerSpec, Delivery, Transport } from "../transport.ts";
import { blobStore } from "./blobs.ts";
import { DisposedError, inOurWords, storedAt } from "./calls.ts";
import { connectNats, type NatsOptions } from "./connection.ts";
import { demandFor, ensureConsumer } from "./consumers.ts";
import { countDeadLetters, deadLetters } from "./dead.ts";
import { deliveryOf, type DeliveryPorts, headersOf, idOf, toHeaders } from "./delivery.ts";
import { Held } from "./held.ts";
import { findOwner } from "./owner.ts";
import { keepArtifacts, type Keeping } from "./keep-artifacts.ts";
import { Link } from "./link.ts";
import { marksOver } from "./marks.ts";
import { Pull, PULL_TIMES, type PullTimes } from "./pull.ts";
import { subscribe } from "./subscribe.ts";

/** Queue group of `serve`: each request is answered once, by one of the replicas. */
const SERVERS_GROUP = "conveyor";
/**
 * Timeout of stream and consumer calls, milliseconds. Shorter than for other calls: an election loses some of
 * them, and they are retried.
 */
const MANAGE_TIMEOUT_MS = 3000;
/** How long dispose waits for pending calls and for the connection to drain, milliseconds. */
const DISPOSE_MS = 5000;

/** A transport over a NATS broker. */
export interface NatsBackend extends Transport {
  /**
   * Returns the owner id for the drivers' containers, and whether the broker is a Conveyor server's. Throws
   * `Retryable` while that is not known.
   */
  owner(): Promise<{ owner: string; isConveyors: boolean }>;
  /** The number of kept messages that could not be handled. */
  deadLetters(): Promise<number>;
  /** Limits the artifacts kept beside a Conveyor server; the last call wins. Throws `Retryable`. */
  keepArtifacts(keeping: Keeping): Promise<void>;
  readonly isConnected: boolean;
  /** Number of reconnects so far. */
  readonly reconnects: number;
}

/** Connects; disposing the transport closes the connection. Throws as `connectNats` does. */
export async function openNats(
  options: NatsOptions & { pullTimes?: Partial<PullTimes> },
): Promise<NatsBackend> {
  const connection = await connectNats(options);
  try {
    const link = new Link(connection);
    const manager = await jetstreamManager(link.client, { checkAPI: false, timeout: MANAGE_TIMEOUT_MS });
    await checkJetStream(connection, manager);
    return new NatsTransport(link, manager, { ...PULL_TIMES, ...options.pullTimes });
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** Throws if the broker has no JetStream; a broker that is not ready yet is accepted. */
export async function checkJetStream(connection: NatsConnection, manager: JetStreamManager): Promise<void> {
  try {
    await manager.getAccountInfo();
  } catch (cause) {
    const disabled = cause instanceof Error && cause.name === "JetStreamNotEnabled";
    if (!disabled || (connection.info?.jetstream && !cause.cause)) return;
    throw new UnavailableError(`NATS at "${connection.getServer()}" has no JetStream for us`, {
      cause,
      hint: "Start the nats-server with JetStream (-js)",
    });
  }
}

class NatsTransport implements NatsBackend {
  readonly #connection: NatsConnection;
  readonly #link: Link;
  readonly #manager: JetStreamManager;
  readonly #pullTimes: PullTimes;
  readonly #held = new Map<StreamName, Held>();
  readonly #pulls = new Set<Pull>();
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #blobs: ReturnType<typeof blobStore>;
  readonly #deadLetter: ReturnType<typeof deadLetters>;
  readonly #marks: ReturnType<typeof marksOver>;
  #disposing: Promise<void> | undefined;

  constructor(link: Link, manager: JetStreamManager, pullTimes: PullTimes) {
    this.#link = link;
    this.#connection = link.connection;
    this.#manager = manager;
    this.#pullTimes = pullTimes;
    link.onBack(() => {
      for (const pull of this.#pulls) pull.renew();
    });
    this.#blobs = blobStore(link, manager);
    this.#deadLetter = deadLetters(this.#link, manager);
    this.#marks = marksOver(this.#link, manager);
    for (const name of Object.keys(STREAMS) as StreamName[]) this.#held.set(name, new Held(manager, name));
  }

  deadLetters: NatsBackend["deadLetters"] = () =>
    this.#call("count dead letters", () => countDeadLetters(this.#manager));

  owner: NatsBackend["owner"] = () =>
    this.#call("learn whose broker this is", () => findOwner(this.#connection, this.#manager));

  keepArtifacts: NatsBackend["keepArtifacts"] = (keeping) =>
    this.#call("bound what is kept of artifacts", () => keepArtifacts(this.#manager, keeping));

  get maxMessageBytes(): number {
    return this.#link.maxMessageBytes;
  }

  get isConnected(): boolean {
    return this.#link.isConnected;
  }

  get reconnects(): number {
    return this.#link.reconnects;
  }

  publish: Transport["publish"] = (subject, data, { id, headers = {} } = {}) =>
    this.#call(`publish on "${subject}"`, async () => {
      const stream = streamOf(subject);
      const bytes = bytesOf(data);
      checkSize(subject, bytes.length, headers, this.maxMessageBytes);
      const made = toHeaders(newHeaders, id, headers);
      // Not repeatable: before a message is stored the broker may not recognise its id, and would store it
      // twice.
      const options = { headers: made, repeatable: false };
      const stored = storedAt(await this.#link.insist(subject, bytes, options));
      if (id !== undefined) this.#held.get(stream)?.learn(id, stored.seq);
      return { duplicate: stored.duplicate };
    });

  publishAll: Transport["publishAll"] = async (subject, messages) => {
    for (const { data, ...options } of messages) await this.publish(subject, data, options);
  };

  broadcast: Transport["broadcast"] = (subject, data) =>
    this.#call(`broadcast on "${subject}"`, () => {
      checkSubject(subject);
      const bytes = bytesOf(data);
      checkSize(subject, bytes.length, {}, this.maxMessageBytes);
      this.#link.send(() => this.#connection.publish(subject, bytes));
      return Promise.resolve();
    });

  listen: Transport["listen"] = (subject, handler) =>
    this.#call(
      `listen on "${subject}"`,
      () =>
        subscribe(this.#link, subject, {}, (message) => {
          const { subject, data } = message;
          handler({ subject, data, id: idOf(message), headers: headersOf(message.headers) });
        }),
    );

  request: Transport["request"] = async (subject, data, { timeoutMs, signal }) => {
    if (this.#disposing) throw new DisposedError();
    signal?.throwIfAborted();
    try {
      checkSubject(subject);
      const bytes = bytesOf(data);
      checkSize(subject, bytes.length, {}, this.maxMessageBytes);
      const answer = this.#link.ask(subject, bytes, { timeoutMs });
      return (await (signal ? abortable(answer, signal) : answer)).data;
    } catch (cause) {
      signal?.throwIfAborted();
      throw inOurWords(`get an answer on "${subject}"`, cause);
    }
  };

  serve: Transport["serve"] = (subject, handler) =>
    this.#call(
      `serve "${subject}"`,
      () =>
        subscribe(this.#link, subject, { queue: SERVERS_GROUP }, async (message) => {
          const answer = bytesOf(await handler({ subject: message.subject, data: message.data }));
          checkSize(message.subject, answer.length, {}, this.maxMessageBytes);
          this.#link.send(() => message.respond(answer));
        }),
    );

  ensureConsumer: Transport["ensureConsumer"] = (spec) =>
    this.#call(
      `make consumer "${spec.name}" of stream "${spec.stream}"`,
      async () => void await this.#ensure(spec),
    );

  consume: Transport["consume"] = (spec, { signal }) => {
    if (this.#disposing) return refusing(new DisposedError());
    const pull = new Pull(spec, {
      link: this.#link,
      times: this.#pullTimes,
      ensure: () => this.#ensure(spec),
      deliver: (message, consumer) => this.#deliver(message, consumer),
      onEnd: () => {
        this.#pulls.delete(pull);
        signal.removeEventListener("abort", stop);
      },
    });
    const stop = () => pull.stop();
    this.#pulls.add(pull);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
    return pull;
  };

  holds: Transport["holds"] = (stream, id) =>
    this.#call(
      `look for message "${id}" in stream "${stream}"`,
      () => this.#held.get(stream)?.has(id) ?? Promise.resolve(false),
    );

  demand: Transport["demand"] = (subject) =>
    this.#call(`look who takes messages on "${subject}"`, () => demandFor(this.#manager, subject));

  readMark: Transport["readMark"] = (name) =>
    this.#call(`read mark "${name}"`, () => this.#marks.readMark(name));

  writeMark: Transport["writeMark"] = (name, text, revision) =>
    this.#call(`write mark "${name}"`, () => this.#marks.writeMark(name, text, revision));

  putBlob: Transport["putBlob"] = (run, name, bytes, options) =>
    this.#follow(() => this.#blobs(run, name, bytes, options));

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposing ??= this.#dispose();
    return this.#disposing;
  }

  async #dispose(): Promise<void> {
    const orderly = async () => {
      await Promise.all([...this.#pulls].map((pull) => pull.return()));
      while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
      this.#link.flush();
      await this.#connection.drain();
    };
    await withDeadline(DISPOSE_MS, (signal) => abortable(orderly(), signal)).catch(() => {});
    await this.#connection.close();
  }

  async #call<T>(what: string, run: () => Promise<T>): Promise<T> {
    try {
      return await this.#follow(run);
    } catch (cause) {
      throw inOurWords(what, cause);
    }
  }

  /** Runs the call; dispose waits for it. */
  async #follow<T>(run: () => Promise<T>): Promise<T> {
    if (this.#disposing) throw new DisposedError();
    return await this.#untilDone(run());
  }

  async #untilDone<T>(call: Promise<T>): Promise<T> {
    this.#underWay.add(call);
    try {
      return await call;
    } finally {
      this.#underWay.delete(call);
    }
  }

  async #ensure(spec: ConsumerSpec): Promise<number> {
    checkConsumer(spec);
    return await ensureConsumer(this.#manager, spec);
  }

  #deliver(message: Msg, consumer: DeliveryPorts["consumer"]): Delivery {
    return deliveryOf(message, {
      consumer,
      deadLetter: this.#deadLetter,
      answer: (subject, payload, options) => this.#untilDone(this.#link.insist(subject, payload, options)),
    });
  }
}

function refusing(error: Error): AsyncIterable<never> {
  return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) };
}
