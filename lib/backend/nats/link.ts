import { setImmediate } from "node:timers";
import {
  createInbox,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  type RequestOptions,
} from "@nats-io/transport-node";
import { messageOf } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { delay } from "../../base/signals.ts";
import { MAX_MESSAGE_BYTES } from "../transport.ts";
import { isClosing, isUnanswered } from "./calls.ts";
import { resent } from "./resent.ts";

/** How long the broker may take to answer one of our own calls, milliseconds. */
export const CALL_TIMEOUT_MS = 5000;
/** A stream or consumer that changes its leader, or a broker that just started, may be deaf for longer than this: callers try again. */
const DEAF_MS = 2000;
const DEAF_PAUSE_MS = 100;

interface Unsent {
  readonly publish: () => void;
  readonly onError: (error: unknown) => void;
}

/** On a closed connection nobody misses what is not sent. */
function logRefused(error: unknown): void {
  if (!isClosing(error)) processLog("nats").warn("Cannot send: {error}", { error: messageOf(error) });
}

/**
 * A connection that knows whether it is one: what was asked when it broke fails at once instead of waiting for an answer
 * that cannot come, and what is asked meanwhile is sent when it is back.
 */
export class Link {
  readonly connection: NatsConnection;
  readonly #asked = new Set<(reason: Error) => void>();
  /** What is sent at the end of this turn of the event loop. */
  #unsent: Unsent[] = [];
  #connected = true;
  #reconnects = 0;
  #back = Promise.withResolvers<void>();
  readonly #onBack = new Set<() => void>();

  constructor(connection: NatsConnection) {
    this.connection = connection;
    // Ends with the connection; what a listener throws is its own.
    this.#follow().catch(logRefused);
  }

  /** `listener` is called after each return of the connection, until the answer is disposed of. */
  onBack(listener: () => void): Disposable {
    this.#onBack.add(listener);
    return { [Symbol.dispose]: () => void this.#onBack.delete(listener) };
  }

  /**
   * The connection as the client's own parts are to have it: what they request is `ask`ed. By itself the client drops what
   * was requested while the connection was lost, and waits for the answer.
   */
  get client(): NatsConnection {
    return this.clientThat((subject, data, options) => this.ask(subject, data, options));
  }

  /** The connection as the client's own parts are to have it, with another way to request. */
  clientThat(ask: Link["ask"]): NatsConnection {
    const request = (
      subject: string,
      data: Uint8Array | string = "",
      { timeout, headers }: Partial<RequestOptions> = {},
    ) => ask(subject, data, { ...timeout && { timeoutMs: timeout }, headers });
    return new Proxy(this.connection, {
      get: (connection, key) => key === "request" ? request : Reflect.get(connection, key),
    });
  }

  /** A new subject below our own inbox. */
  inbox(): string {
    const { inboxPrefix } = Reflect.get(this.connection, "options") as { inboxPrefix?: string };
    return createInbox(inboxPrefix);
  }

  /** The largest message that this broker takes from us. */
  get maxMessageBytes(): number {
    return Math.min(MAX_MESSAGE_BYTES, this.connection.info?.max_payload ?? MAX_MESSAGE_BYTES);
  }

  get isConnected(): boolean {
    return this.#connected;
  }

  /** How often the connection was lost and came back. */
  get reconnects(): number {
    return this.#reconnects;
  }

  /**
   * Runs `publish` together with all else of this turn of the event loop: a write costs more than the rest of a message. On a
   * connection that is closed by then it is not run. `onError` hears what `publish` throws (the client refuses some messages
   * itself), and nobody else does; without `onError` it is a line in the process log.
   */
  send(publish: () => void, onError: (error: unknown) => void = logRefused): void {
    if (this.#unsent.push({ publish, onError }) === 1) setImmediate(() => this.flush());
  }

  /** Sends at once what waits for the end of this turn. */
  flush(): void {
    const unsent = this.#unsent;
    this.#unsent = [];
    for (const { publish, onError } of unsent) {
      try {
        publish();
      } catch (error) {
        onError(error);
      }
    }
  }

  /** Sends and waits for the answer. Throws what the client throws: `inOurWords` says it for callers. */
  async ask(
    subject: string,
    data: Uint8Array | string,
    options: { timeoutMs?: number; headers?: MsgHdrs | undefined } = {},
  ): Promise<Msg> {
    const { timeoutMs = CALL_TIMEOUT_MS, headers } = options;
    if (!this.#connected) await this.connected(timeoutMs);
    const { promise, resolve, reject } = Promise.withResolvers<Msg>();
    this.#asked.add(reject);
    const request = headers ? { timeout: timeoutMs, headers } : { timeout: timeoutMs };
    this.send(() => void this.connection.request(subject, data, request).then(resolve, reject), reject);
    try {
      return await promise;
    } finally {
      this.#asked.delete(reject);
    }
  }

  /**
   * As `ask`, and again while the broker says that nobody hears (nothing was done then), for two seconds: without a leader
   * a stream or consumer is deaf. What does no harm when it is carried out twice (`repeatable`) is sent again after
   * silence, too.
   */
  async insist(
    subject: string,
    data: Uint8Array | string,
    { headers, repeatable }: { headers?: MsgHdrs | undefined; repeatable: boolean },
  ): Promise<Msg> {
    const ask = () => this.ask(subject, data, { headers });
    for (const start = performance.now();; await delay(DEAF_PAUSE_MS)) {
      try {
        return await (repeatable ? resent(ask) : ask());
      } catch (error) {
        if (!isUnanswered(error) || performance.now() - start > DEAF_MS) throw error;
      }
    }
  }

  /** Resolves when there is a connection. Throws where none returns within `timeoutMs`. */
  async connected(timeoutMs = CALL_TIMEOUT_MS): Promise<void> {
    if (this.#connected) return;
    const patience = new AbortController();
    const timer = delay(timeoutMs, patience).then(() => {
      throw new Error(`The connection to NATS is lost, and did not return within ${timeoutMs} ms`);
    });
    try {
      await Promise.race([this.#back.promise, timer]);
    } finally {
      patience.abort();
      timer.catch(() => {});
    }
  }

  async #follow(): Promise<void> {
    for await (const { type } of this.connection.status()) {
      if (type === "disconnect" && this.#connected) {
        this.#connected = false;
        this.#back = Promise.withResolvers<void>();
        for (const reject of this.#asked) reject(new Error("The connection to NATS was lost"));
      } else if (type === "reconnect") {
        this.#connected = true;
        this.#reconnects++;
        this.#back.resolve();
        for (const listener of this.#onBack) {
          try {
            listener();
          } catch (error) {
            logRefused(error);
          }
        }
      }
    }
  }
}
