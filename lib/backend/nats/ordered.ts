import {
  AckPolicy,
  type ConsumerConfig,
  DeliverPolicy,
  type JetStreamManager,
  jetstreamManager,
} from "@nats-io/jetstream";
import { Retryable } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { pause } from "../../base/retry.ts";
import { startInterval, stopTimer } from "../../base/timers.ts";
import { inOurWords } from "./calls.ts";
import type { Link } from "./link.ts";
import { readConsumer, type StreamMessage } from "./read-consumer.ts";
import { OUTAGE_MS, storedMessage } from "./stored.ts";

export interface Query {
  readonly stream: string;
  /** A subject, with or without wildcards. */
  readonly subject: string;
  /** First sequence to read. If omitted: the last message of each subject, then new ones. */
  readonly from?: number;
  /** Omits the data. */
  readonly headersOnly?: boolean;
  /** Polled during the whole read; the iteration ends once this resolves to false. */
  readonly isThere?: () => Promise<boolean>;
}

/** The broker removes a reader's consumer after this long without requests, nanoseconds. */
const INACTIVE_NS = 60 * 1e9;
/** If no consumer is created within this time, another one is requested, milliseconds. */
const REMAKE_MS = 500;
/** Interval between calls of `isThere`, milliseconds. */
const LOOK_EVERY_MS = 2000;

/**
 * Yields a stream's messages in order and without gaps, also across broker failures: the stored ones, then
 * new ones, until `signal` fires (then it returns). Reads no faster than the caller. Without `isThere` it
 * retries for ever; with it, it throws `Retryable` after an outage of 30 s. Throws `InputError` for a query
 * that can never work.
 *
 * The consumer is in memory on one node of a cluster, so many readers cause no elections. If that node dies,
 * the cluster does not recreate the consumer until the node is back; so on any error a new consumer continues
 * from the next message.
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
            // A node that lags behind starts at the end of its own copy.
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
        if (!until.aborted) processLog("nats").debug("Reading {stream} again: {cause}", { stream, cause });
        await pause(failures, { firstMs: 50, mostMs: 2000, signal: until });
      }
    }
  } finally {
    stopTimer(looking);
  }
}

/**
 * Creates a consumer and returns its name. The cluster may place it on a node that has just died; without an
 * answer, another one is created every 500 ms. The first to succeed is used, the others are deleted.
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

/** Not awaited: the consumer also expires on its own. */
function remove(manager: JetStreamManager, stream: string, name: string): void {
  manager.consumers.delete(stream, name).catch(() => {});
}
