import { DeliverPolicy, type JetStreamClient, type JsMsg } from "@nats-io/jetstream";

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
/** While it waits the broker says that often that it is there; two that are missed, and it is asked anew. */
const HEARTBEAT_MS = 2000;
/** A reader that is gone without a word is forgotten after this, nanoseconds. */
const INACTIVE_NS = 60 * 1e9;
/** How often a reader that waits for what must be there looks whether it was removed meanwhile. */
const LOOK_EVERY_MS = 2000;

/**
 * A stream's messages in their order and without a gap, whatever happens to the connection meanwhile: those that are there,
 * then those that come, until `signal` fires (then it returns). No faster than they are asked for.
 */
export async function* orderedMessages(
  client: JetStreamClient,
  { stream, subject, from, headersOnly = false, isThere }: Query,
  signal: AbortSignal,
): AsyncGenerator<JsMsg> {
  if (signal.aborted) return;
  const consumer = await client.consumers.get(stream, {
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
  const stop = () => messages.stop();
  signal.addEventListener("abort", stop, { once: true });
  const looking = isThere && setInterval(() => {
    isThere().then((found) => !found && stop(), () => {});
  }, LOOK_EVERY_MS);
  try {
    if (signal.aborted) return;
    for await (const message of messages) {
      yield message;
      if (signal.aborted) return;
    }
  } finally {
    clearInterval(looking);
    signal.removeEventListener("abort", stop);
    messages.stop();
    // Not waited for: it would also go by itself.
    consumer.delete().catch(() => {});
  }
}
