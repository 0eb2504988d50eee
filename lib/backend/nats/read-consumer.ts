import type { Msg, MsgHdrs } from "@nats-io/transport-node";
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
  { stream, name, newest, from }: ReadOptions,
  signal: AbortSignal,
): AsyncGenerator<StreamMessage> {
  const { connection, reconnects } = link;
  const inbox = link.inbox();
  const arrived: StreamMessage[] = [];
  let open = 0;
  let delivered = 0;
  let next = from;
  let heardAt = 0;
  let checkedAt = 0;
  let quietMs = QUIET_MS;
  let lookAt = performance.now() + quietMs;
  let isKnown = false;
  let asking: Timer | undefined;
  let trouble: Error | undefined;
  const madeAt = performance.now();
  let news = Promise.withResolvers<void>();
  const wake = () => news.resolve();
  const fail = (why: string) => {
    trouble ??= new Error(`Consumer "${name}" of stream "${stream}": ${why}`);
    wake();
  };

  const ask = () => {
    const batch = AT_ONCE - open;
    if (batch < WORTH_ASKING) return;
    const request = { batch, expires: EXPIRES_MS * NANOS, idle_heartbeat: HEARTBEAT_MS * NANOS };
    connection.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${name}`, JSON.stringify(request), {
      reply: inbox,
    });
    if (open === 0) heardAt = performance.now();
    open += batch;
  };
  const hear = (message: Msg) => {
    heardAt = performance.now();
    const code = message.data.length === 0 ? message.headers?.code ?? 0 : 0;
    if (code === 503 && !isKnown && heardAt - madeAt < NEWS_MS) {
      open = 0;
      asking = startTimer(wake, ASK_AGAIN_MS);
      return;
    }
    isKnown = true;
    if (code === 100) return;
    if (code === 0) {
      const { seq, ordinal, at } = placeOf(message.reply ?? "");
      if (ordinal !== ++delivered) return fail("a message did not come through");
      open--;
      next = seq + 1;
      quietMs = QUIET_MS;
      lookAt = heardAt + quietMs;
      arrived.push({ seq, at, data: message.data, headers: message.headers });
    } else {
      const said = message.headers?.description ?? "";
      // An expired request: 404 and 408, and a 409 about a single request.
      if (code !== 404 && code !== 408 && !/batch completed/i.test(said)) {
        return fail(code === 503 ? "nobody answers for it" : said.toLowerCase() || `status ${code}`);
      }
      open = Math.max(0, open - Number(message.headers?.get("Nats-Pending-Messages")));
    }
    wake();
  };
  /** Detects a node whose copy of the stream lags behind: it sends heartbeats but no messages. */
  const look = async () => {
    const seen = delivered;
    const seq = await newest();
    await delay(ON_ITS_WAY_MS, { signal });
    if (seq !== undefined && seq >= next && delivered === seen) {
      fail("its node does not keep up with the stream");
    }
  };
  const check = () => {
    const now = performance.now();
    // If this process was paused or busy, a late heartbeat says nothing about the broker.
    if (now - checkedAt > 2 * HEARTBEAT_MS) heardAt = now;
    checkedAt = now;
    if (!link.isConnected || link.reconnects !== reconnects) fail("the connection was lost");
    else if (open > 0 && now - heardAt > MISSED * HEARTBEAT_MS) fail("missed its heartbeats");
    else if (open > 0 && now >= lookAt) {
      quietMs = Math.min(LONGEST_QUIET_MS, 2 * quietMs);
      lookAt = now + quietMs;
      // If the stream's leader does not answer, there is nothing to compare with.
      look().catch(() => {});
    }
  };

  const subscription = connection.subscribe(inbox, {
    callback: (error, message) => error ? fail(error.message) : hear(message),
  });
  checkedAt = performance.now();
  const checking = startInterval(check, HEARTBEAT_MS / 2);
  // Also runs on abort while the generator is suspended at `yield` and never resumed.
  const end = () => {
    stopTimer(checking);
    stopTimer(asking);
    subscription.unsubscribe();
    wake();
  };
  signal.addEventListener("abort", end, { once: true });
  try {
    while (!signal.aborted) {
      const message = arrived.shift();
      if (message) {
        yield message;
        continue;
      }
      if (trouble) throw trouble;
      ask();
      await news.promise;
      news = Promise.withResolvers();
    }
  } finally {
    signal.removeEventListener("abort", end);
    end();
  }
}

/**
 * `$JS.ACK[.<domain>.<account>].<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<nanoseconds>.<pending>[.<random>]`
 */
function placeOf(reply: string): { seq: number; ordinal: number; at: number } {
  const tokens = reply.split(".");
  const [seq, ordinal, nanos = ""] = tokens.slice(tokens.length === 9 ? 5 : 7);
  return { seq: Number(seq), ordinal: Number(ordinal), at: Number(nanos.slice(0, -6)) };
}
