import {
  AckPolicy,
  type ConsumerConfig,
  DeliverPolicy,
  type JetStreamManager,
  jetstreamManager,
} from "@nats-io/jetstream";
import { Retryable } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { backOff } from "../../base/retry.ts";
import { delay } from "../../base/signals.ts";
import { startInterval, stopTimer } from "../../base/timers.ts";
import { inOurWords } from "./calls.ts";
import type { Link } from "./link.ts";
import { readConsumer, type StreamMessage } from "./read-consumer.ts";
import { OUTAGE_MS, storedMessage } from "./stored.ts";

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

/** A reader that is gone without a word is forgotten after this, nanoseconds. */
const INACTIVE_NS = 60 * 1e9;
/** So long a consumer may be in the making before another one is asked for. */
const REMAKE_MS = 500;
/** How often a reader that waits for what must be there looks whether it was removed meanwhile. */
const LOOK_EVERY_MS = 2000;

/**
 * A stream's messages in their order and without a gap, whatever happens to the broker meanwhile: those that are there,
 * then those that come, until `signal` fires (then it returns). No faster than they are asked for. What comes is waited for
 * for ever, what must be there (`isThere`) through an outage of 30 s: then it throws `Retryable`. Throws `InputError` for
 * what can never work.
 *
 * They are read through a consumer that lives on one node of a cluster, so that a fleet's readers cost no elections. It
 * dies with its node, and the cluster does not make it anew before that node is back: at the first sign of trouble there is
 * another consumer, from the next message on.
 */
export async function* orderedMessages(
  link: Link,
  query: Query,
  signal: AbortSignal,
): AsyncGenerator<StreamMessage> {
  const { stream, subject, isThere } = query;
  const manager = await jetstreamManager(link.client, { checkAPI: false });
  const ending = new AbortController();
  const until = AbortSignal.any([signal, ending.signal]);
  const looking = isThere && startInterval(() => {
    isThere().then((found) => !found && ending.abort(), () => {});
  }, LOOK_EVERY_MS);
  const newest = async () => (await storedMessage(manager, stream, { last_by_subj: subject }))?.seq;
  try {
    let { from } = query;
    let failingSince: number | undefined;
    for (let failures = 1; !until.aborted; failures++) {
      try {
        const name = await makeConsumer(link, manager, { ...query, from });
        try {
          for await (const message of readConsumer(link, { stream, name, newest, from: from ?? 0 }, until)) {
            // A node that has yet to catch up begins where its own copy ends.
            if (from !== undefined && message.seq < from) continue;
            from = message.seq + 1;
            failures = 0;
            failingSince = undefined;
            yield message;
          }
        } finally {
          remove(manager, stream, name);
        }
      } catch (cause) {
        const error = inOurWords(`read stream "${stream}"`, cause);
        failingSince ??= performance.now();
        const isLate = isThere && performance.now() - failingSince > OUTAGE_MS;
        if (!(error instanceof Retryable) || isLate) throw error;
        if (!until.aborted) processLog("nats").debug("Reading {stream} anew: {cause}", { stream, cause });
        await delay(backOff(failures, 50, 2000), { signal: until }).catch(() => {});
      }
    }
  } finally {
    stopTimer(looking);
  }
}

/**
 * Answers the name of a consumer. The cluster may choose a node for it that was killed a moment ago, and then nobody answers:
 * while there is no answer another one is asked for twice a second, which may come to lie elsewhere. The first that is made
 * counts, the others are removed.
 */
async function makeConsumer(
  link: Link,
  manager: JetStreamManager,
  { stream, subject, from, headersOnly = false }: Omit<Query, "from"> & { from: number | undefined },
): Promise<string> {
  await link.connected();
  const config: Partial<ConsumerConfig> = {
    ack_policy: AckPolicy.None,
    filter_subject: subject,
    headers_only: headersOnly,
    inactive_threshold: INACTIVE_NS,
    max_deliver: 1,
    mem_storage: true,
    num_replicas: 1,
    ...(from === undefined
      ? { deliver_policy: DeliverPolicy.LastPerSubject }
      : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: from }),
  };
  const names = new Set<string>();
  const { promise: made, resolve, reject } = Promise.withResolvers<string>();
  const make = () => {
    const name = `reader-${crypto.randomUUID()}`;
    names.add(name);
    manager.consumers.add(stream, { ...config, name }).then(() => resolve(name), reject);
  };
  make();
  const timer = startInterval(make, REMAKE_MS);
  try {
    const name = await made;
    names.delete(name);
    return name;
  } finally {
    stopTimer(timer);
    for (const name of names) remove(manager, stream, name);
  }
}

/** Not waited for: it would also go by itself. */
function remove(manager: JetStreamManager, stream: string, name: string): void {
  manager.consumers.delete(stream, name).catch(() => {});
}
