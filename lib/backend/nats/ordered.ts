import { DeliverPolicy, jetstream, type JsMsg } from "@nats-io/jetstream";
import { backOff } from "../../base/retry.ts";
import { delay } from "../../base/signals.ts";
import type { Link } from "./link.ts";

export interface Query {
  readonly stream: string;
  /** A subject, with wildcards or without. */
  readonly subject: string;
  /** Sequence to begin with. Without it: the last message of each subject, then what comes. */
  readonly from?: number;
  /** Leaves the data out. */
  readonly headersOnly?: boolean;
  /** Asked while nothing comes: is what is waited for still there? Where it is not, the messages end. */
  readonly isThere?: () => Promise<boolean>;
}

/** Messages asked for at once: as log batches, 4 MiB at most. */
const AT_ONCE = 64;
/** How long one request to the broker waits. */
const EXPIRES_MS = 10_000;
/** While it waits the broker says that often that it is there; two that are missed, and the reading begins anew. */
const HEARTBEAT_MS = 2000;
/** A reader that is gone without a word is forgotten after this, nanoseconds. */
const INACTIVE_NS = 60 * 1e9;
/** How often a reader that waits for what must be there looks whether it was removed meanwhile. */
const LOOK_EVERY_MS = 2000;

/**
 * A stream's messages in their order and without a gap, whatever happens to the connection meanwhile: those that are there,
 * then those that come, until `signal` fires (then it returns). No faster than they are asked for. Throws what the client
 * throws where the reading cannot begin.
 */
export async function* orderedMessages(
  link: Link,
  { isThere, ...query }: Query,
  signal: AbortSignal,
): AsyncGenerator<JsMsg> {
  const leaving = new AbortController();
  const ending = AbortSignal.any([signal, leaving.signal]);
  const looking = isThere && setInterval(() => {
    isThere().then((found) => !found && leaving.abort(), () => {});
  }, LOOK_EVERY_MS);
  const state = { from: query.from, hasBegun: false };
  try {
    for (let failures = 1; !ending.aborted; failures++) {
      const { from } = state;
      const onBegin = () => state.hasBegun = true;
      try {
        for await (
          const message of reading(link, { ...query, ...from && { from } }, { signal: ending, onBegin })
        ) {
          state.from = message.seq + 1;
          failures = 0;
          yield message;
        }
        return;
      } catch (error) {
        if (!state.hasBegun) throw error;
        await delay(backOff(failures, 50, 5000), { signal: ending }).catch(() => {});
      }
    }
  } finally {
    clearInterval(looking);
  }
}

/**
 * The messages until the connection is another one or the broker falls silent, then it throws. The client would go on by
 * itself, but after the restart of a broker it may wait for ten seconds and more before it asks again.
 */
async function* reading(
  link: Link,
  { stream, subject, from, headersOnly = false }: Omit<Query, "isThere">,
  { signal, onBegin }: { signal: AbortSignal; onBegin: () => void },
): AsyncGenerator<JsMsg> {
  if (signal.aborted) return;
  const consumer = await jetstream(link.client).consumers.get(stream, {
    filter_subjects: subject,
    headers_only: headersOnly,
    inactive_threshold: INACTIVE_NS,
    ...(from === undefined
      ? { deliver_policy: DeliverPolicy.LastPerSubject }
      : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: from }),
  });
  const messages = await consumer.consume({
    max_messages: AT_ONCE,
    expires: EXPIRES_MS,
    idle_heartbeat: HEARTBEAT_MS,
  });
  onBegin();
  let isBroken = false;
  const stop = () => messages.stop();
  const breakOff = () => {
    isBroken = true;
    stop();
  };
  signal.addEventListener("abort", stop, { once: true });
  using _back = link.onBack(breakOff);
  const listening = async () => {
    for await (const { type } of messages.status()) if (type === "heartbeats_missed") breakOff();
  };
  void listening();
  try {
    if (signal.aborted) return;
    for await (const message of messages) {
      yield message;
      if (signal.aborted) return;
      if (isBroken) break;
    }
    if (isBroken) throw new Error("The broker fell silent, or the connection to it is another one");
  } finally {
    signal.removeEventListener("abort", stop);
    stop();
    // Not waited for: it would also go by itself.
    consumer.delete().catch(() => {});
  }
}
