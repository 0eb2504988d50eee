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
import { delay, isWithin } from "../../base/signals.ts";
import { MAX_MESSAGE_BYTES } from "../transport.ts";
import { isClosing, isUnanswered } from "./calls.ts";
import { resent } from "./resent.ts";

/** Default timeout of a call to the broker, milliseconds. */
export const CALL_TIMEOUT_MS = 5000;
/**
 * A call without responders is repeated for this long, milliseconds. A stream or consumer that elects its
 * leader, or a broker that has just started, may need longer: then the callers retry.
 */
const DEAF_MS = 2000;
const DEAF_PAUSE_MS = 100;

interface Unsent {
  readonly publish: () => void;
  readonly onError: (error: unknown) => void;
}

/** Logs an error of `publish`. On a closed connection unsent messages do not matter. */
function logRefused(error: unknown): void {
  if (!isClosing(error)) processLog("nats").warn("Cannot send: {error}", { error: messageOf(error) });
}

/**
 * A connection that tracks its state. Calls that are pending when the connection breaks fail at once; calls
 * made while it is down are sent after the reconnect.
 */
export class Link {
  readonly connection: NatsConnection;
  readonly #asked = new Set<(reason: Error) => void>();
  /** Publishes to run at the end of this turn of the event loop. */
  #unsent: Unsent[] = [];
  #connected = true;
  #reconnects = 0;
  #back = Promise.withResolvers<void>();
  readonly #onBack = new Set<() => void>();

  constructor(connection: NatsConnection) {
    this.connection = connection;
    // Ends with the connection.
    this.#follow().catch(logRefused);
  }

  /** Calls `listener` after each reconnect until the returned `Disposable` is disposed. */
  onBack(listener: () => void): Disposable {
    this.#onBack.add(listener);
    return { [Symbol.dispose]: () => void this.#onBack.delete(listener) };
  }

  /**
   * The connection to pass to the client's own modules, with `ask` as its `request`. The client itself drops
   * requests made while the connection is down and keeps waiting for the answers.
   */
  get client(): NatsConnection {
    return this.clientThat((subject, data, options) => this.ask(subject, data, options));
  }

  /** As `client`, with another function as its `request`. */
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

  /** Returns a new subject below our own inbox prefix. */
  inbox(): string {
    const { inboxPrefix } = Reflect.get(this.connection, "options") as { inboxPrefix?: string };
    return createInbox(inboxPrefix);
  }

  /** Largest message that this broker accepts from us, bytes. */
  get maxMessageBytes(): number {
    return Math.min(MAX_MESSAGE_BYTES, this.connection.info?.max_payload ?? MAX_MESSAGE_BYTES);
  }

  get isConnected(): boolean {
    return this.#connected;
  }

  /** Number of reconnects so far. */
  get reconnects(): number {
    return this.#reconnects;
  }

  /**
   * Runs `publish` together with all others of this turn of the event loop, because a socket write is the
   * largest cost of a message. Skipped if the connection is closed by then. Errors thrown by `publish` (the
   * client itself refuses some messages) go to `onError` only; the default logs them.
   */
  send(publish: () => void, onError: (error: unknown) => void = logRefused): void {
    if (this.#unsent.push({ publish, onError }) === 1) setImmediate(() => this.flush());
  }

  /** Runs the pending publishes now instead of at the end of the turn. */
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

  /**
   * Sends a request and returns the answer. Throws the client's errors; callers translate them with
   * `inOurWords`.
   */
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
   * As `ask`, but retries for two seconds while the broker reports no responders (then nothing was executed):
   * a stream or consumer without a leader does not answer. If `repeatable` (executing it twice is harmless),
   * it is also sent again after a timeout.
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

  /** Resolves once connected. Throws if there is no connection within `timeoutMs`. */
  async connected(timeoutMs = CALL_TIMEOUT_MS): Promise<void> {
    if (this.#connected) return;
    if (await isWithin(this.#back.promise, timeoutMs)) return;
    throw new Error(`The connection to NATS is lost, and did not return within ${timeoutMs} ms`);
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
