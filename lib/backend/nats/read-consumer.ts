import type { Msg, MsgHdrs, Subscription } from "@nats-io/transport-node";
import { delay } from "../../base/signals.ts";
import { startInterval, startTimer, stopTimer, type Timer } from "../../base/timers.ts";
import type { Link } from "./link.ts";

/** A message of a stream. */
export interface StreamMessage {
  readonly seq: number;
  readonly data: Uint8Array;
  readonly headers: MsgHdrs | undefined;
  /** Time of storage, milliseconds since the epoch. */
  readonly at: number;
}

/** Maximum number of messages requested at once: 4 MiB at most if they are log batches. */
const AT_ONCE = 64;
/** Smallest batch that a request is sent for. */
const WORTH_ASKING = AT_ONCE / 4;
/** Expiry of a pull request, milliseconds. */
const EXPIRES_MS = 10_000;
/** Interval of the broker's idle heartbeats while a request is open, milliseconds. */
const HEARTBEAT_MS = 1000;
/**
 * A new consumer may not be known to every node of the cluster yet: for this long, milliseconds, a 503 is
 * retried.
 */
const NEWS_MS = 500;
const ASK_AGAIN_MS = 20;
/** The consumer is lost after this many missed heartbeats. */
const MISSED = 2.5;
/**
 * After this long without a message, milliseconds, the newest sequence is checked; the interval doubles up to
 * the longest.
 */
const QUIET_MS = 3000;
const LONGEST_QUIET_MS = 30_000;
/** A message that has been stored for longer than this, milliseconds, should have been delivered. */
const ON_ITS_WAY_MS = 1000;
const NANOS = 1_000_000;

export interface ReadOptions {
  readonly stream: string;
  readonly name: string;
  /**
   * Returns the newest sequence that matches the consumer, from the stream's leader; undefined if there is
   * none.
   */
  readonly newest: () => Promise<number | undefined>;
  /** First sequence to expect. */
  readonly from: number;
}

/**
 * Yields the messages of a pull consumer that has no other reader and needs no acks, until `signal` fires:
 * then it returns. Reads no faster than the caller. Throws on the first problem: the consumer or its node is
 * gone or lags behind the stream, the connection was lost, or a message is missing. Messages received before
 * the problem are yielded first.
 */
export async function* readConsumer(
  link: Link,
  options: ReadOptions,
  signal: AbortSignal,
): AsyncGenerator<StreamMessage> {
  const reading = new Reading(link, options, signal);
  // Also runs on abort while the generator is suspended at `yield` and never resumed.
  const end = () => reading.end();
  signal.addEventListener("abort", end, { once: true });
  try {
    while (!signal.aborted) {
      const message = reading.take();
      if (message) yield message;
      else await reading.more();
    }
  } finally {
    signal.removeEventListener("abort", end);
    end();
  }
}

/** The requests of one reader, and what has arrived for it. */
class Reading {
  readonly #link: Link;
  readonly #options: ReadOptions;
  readonly #signal: AbortSignal;
  readonly #inbox: string;
  readonly #subscription: Subscription;
  readonly #checking: Timer;
  readonly #reconnects: number;
  readonly #madeAt = performance.now();
  readonly #arrived: StreamMessage[] = [];
  /** Messages requested but not yet received. */
  #open = 0;
  #delivered = 0;
  /** The sequence to expect. */
  #next: number;
  #heardAt = 0;
  #checkedAt = performance.now();
  #quietMs = QUIET_MS;
  #lookAt = performance.now() + QUIET_MS;
  /** The consumer's node has answered. */
  #isKnown = false;
  #asking: Timer | undefined;
  #trouble: Error | undefined;
  #news = Promise.withResolvers<void>();

  constructor(link: Link, options: ReadOptions, signal: AbortSignal) {
    this.#link = link;
    this.#options = options;
    this.#signal = signal;
    this.#next = options.from;
    this.#reconnects = link.reconnects;
    this.#inbox = link.inbox();
    this.#subscription = link.connection.subscribe(this.#inbox, {
      callback: (error, message) => error ? this.#fail(error.message) : this.#hear(message),
    });
    this.#checking = startInterval(() => this.#check(), HEARTBEAT_MS / 2);
  }

  /** Returns the next message that has arrived. Throws the problem once there is none. */
  take(): StreamMessage | undefined {
    const message = this.#arrived.shift();
    if (!message && this.#trouble) throw this.#trouble;
    return message;
  }

  /** Asks for messages; resolves when there is news. */
  async more(): Promise<void> {
    this.#ask();
    await this.#news.promise;
    this.#news = Promise.withResolvers();
  }

  end(): void {
    stopTimer(this.#checking);
    stopTimer(this.#asking);
    this.#subscription.unsubscribe();
    this.#wake();
  }

  #wake(): void {
    this.#news.resolve();
  }

  #fail(why: string): void {
    const { name, stream } = this.#options;
    this.#trouble ??= new Error(`Consumer "${name}" of stream "${stream}": ${why}`);
    this.#wake();
  }

  #ask(): void {
    const batch = AT_ONCE - this.#open;
    if (batch < WORTH_ASKING) return;
    const { name, stream } = this.#options;
    const request = { batch, expires: EXPIRES_MS * NANOS, idle_heartbeat: HEARTBEAT_MS * NANOS };
    const reply = this.#inbox;
    this.#link.connection.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${name}`, JSON.stringify(request), {
      reply,
    });
    if (this.#open === 0) this.#heardAt = performance.now();
    this.#open += batch;
  }

  #hear(message: Msg): void {
    this.#heardAt = performance.now();
    const code = message.data.length === 0 ? message.headers?.code ?? 0 : 0;
    if (code === 503 && !this.#isKnown && this.#heardAt - this.#madeAt < NEWS_MS) {
      this.#open = 0;
      this.#asking = startTimer(() => this.#wake(), ASK_AGAIN_MS);
      return;
    }
    this.#isKnown = true;
    if (code === 0) this.#hearMessage(message);
    else if (code !== 100) this.#hearStatus(code, message);
  }

  #hearMessage({ reply = "", data, headers }: Msg): void {
    const { seq, ordinal, at } = placeOf(reply);
    if (ordinal !== ++this.#delivered) return this.#fail("a message did not come through");
    this.#open--;
    this.#next = seq + 1;
    this.#quietMs = QUIET_MS;
    this.#lookAt = this.#heardAt + this.#quietMs;
    this.#arrived.push({ seq, at, data, headers });
    this.#wake();
  }

  #hearStatus(code: number, { headers }: Msg): void {
    const said = headers?.description ?? "";
    // An expired request: 404 and 408, and a 409 about a single request.
    if (code !== 404 && code !== 408 && !/batch completed/i.test(said)) {
      return this.#fail(code === 503 ? "nobody answers for it" : said.toLowerCase() || `status ${code}`);
    }
    this.#open = Math.max(0, this.#open - Number(headers?.get("Nats-Pending-Messages")));
    this.#wake();
  }

  #check(): void {
    const now = performance.now();
    const { isConnected, reconnects } = this.#link;
    // If this process was paused or busy, a late heartbeat says nothing about the broker.
    if (now - this.#checkedAt > 2 * HEARTBEAT_MS) this.#heardAt = now;
    this.#checkedAt = now;
    if (!isConnected || reconnects !== this.#reconnects) this.#fail("the connection was lost");
    else if (this.#open > 0 && now - this.#heardAt > MISSED * HEARTBEAT_MS) {
      this.#fail("missed its heartbeats");
    } else if (this.#open > 0 && now >= this.#lookAt) {
      this.#quietMs = Math.min(LONGEST_QUIET_MS, 2 * this.#quietMs);
      this.#lookAt = now + this.#quietMs;
      // If the stream's leader does not answer, there is nothing to compare with.
      this.#look().catch(() => {});
    }
  }

  /** Detects a node whose copy of the stream lags behind: it sends heartbeats but no messages. */
  async #look(): Promise<void> {
    const seen = this.#delivered;
    const seq = await this.#options.newest();
    await delay(ON_ITS_WAY_MS, { signal: this.#signal });
    if (seq !== undefined && seq >= this.#next && this.#delivered === seen) {
      this.#fail("its node does not keep up with the stream");
    }
  }
}

/**
 * Parses an ack subject: `$JS.ACK[.<domain>.<account>].<stream>.<consumer>.<deliveries>`, then
 * `.<stream seq>.<consumer seq>.<nanoseconds>.<pending>[.<random>]`.
 */
function placeOf(reply: string): { seq: number; ordinal: number; at: number } {
  const tokens = reply.split(".");
  const [seq, ordinal, nanos = ""] = tokens.slice(tokens.length === 9 ? 5 : 7);
  return { seq: Number(seq), ordinal: Number(ordinal), at: Number(nanos.slice(0, -6)) };
}
