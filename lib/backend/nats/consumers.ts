import {
  AckPolicy,
  type ConsumerConfig,
  type ConsumerInfo,
  DeliverPolicy,
  type JetStreamManager,
} from "@nats-io/jetstream";
import { UnavailableError } from "../../base/errors.ts";
import { delay } from "../../base/signals.ts";
import { matches } from "../../wire/subjects.ts";
import { withoutCovered } from "../shared/checks.ts";
import type { ConsumerSpec } from "../transport.ts";
import { apiCode, isConsumerMissing } from "./calls.ts";
import { resent } from "./resent.ts";

/** Unacked messages of all instances together; each instance holds no more than it has slots. */
const MAX_ACK_PENDING = 10_000;
const NANOS = 1_000_000;
/**
 * The broker removes a consumer that has not been pulled from for this long, with its pending messages: its
 * driver was removed. The next driver that needs it creates it again.
 */
const INACTIVE_NS = 30 * 86_400_000 * NANOS;
/** Error codes for creating a consumer that exists by now, and for changing one that no longer exists. */
const LOST_RACE = new Set([10148, 10149, 10013]);
const TRIES = 8;

/**
 * Creates the durable pull consumer, or adds what the existing one lacks, and returns its ack wait in
 * milliseconds. Reads the configuration back and writes it again until it stays: a consumer that was created
 * as not durable keeps its short lifetime until the same change has been sent twice, and another instance may
 * have written at the same time. Throws the client's errors; `UnavailableError` if the existing consumer
 * cannot be ours.
 */
export async function ensureConsumer(manager: JetStreamManager, spec: ConsumerSpec): Promise<number> {
  for (let tries = 1; tries <= TRIES; tries++) {
    const found = await find(manager, spec);
    const config = found ? changed(found.config, spec) : created(spec);
    if (!config) return ackWaitOf(found, spec);
    // Say explicitly "create" or "update", so that the call fails if the consumer changed since it was read.
    const intent = { action: found ? "update" : "create", pedantic: false };
    try {
      const made = await resent(() => manager.consumers.add(spec.stream, config, intent));
      if (!found) return ackWaitOf(made, spec);
    } catch (error) {
      if (!LOST_RACE.has(apiCode(error))) throw error;
    }
    // Another instance may be writing at the same time; a random delay lets one of them succeed.
    await delay(10 + Math.random() * 20 * tries);
  }
  throw new Error(`Consumer "${spec.name}" was changed by others ${TRIES} times in a row`);
}

/** As `Transport.demand`. */
export async function demandFor(
  manager: JetStreamManager,
  subject: string,
): Promise<"none" | "idle" | "open"> {
  let isKept = false;
  for await (const { config, ...info } of manager.consumers.list("messages")) {
    const filters = config.filter_subjects ?? [config.filter_subject ?? ">"];
    if (!filters.some((filter) => matches(filter, subject))) continue;
    isKept = true;
    // A push consumer shows no pull requests.
    if (config.deliver_subject || info.num_waiting + info.num_ack_pending > 0) return "open";
    if (info.num_pending === 0) return "open";
  }
  return isKept ? "idle" : "none";
}

function ackWaitOf(info: ConsumerInfo | undefined, spec: ConsumerSpec): number {
  return (info?.config.ack_wait ?? spec.ackWaitMs * NANOS) / NANOS;
}

async function find(manager: JetStreamManager, spec: ConsumerSpec): Promise<ConsumerInfo | undefined> {
  try {
    return await resent(() => manager.consumers.info(spec.stream, spec.name));
  } catch (error) {
    if (isConsumerMissing(error)) return undefined;
    throw error;
  }
}

function created(spec: ConsumerSpec): Partial<ConsumerConfig> {
  return {
    name: spec.name,
    durable_name: spec.name,
    ack_policy: AckPolicy.Explicit,
    ack_wait: spec.ackWaitMs * NANOS,
    deliver_policy: DeliverPolicy.All,
    filter_subjects: withoutCovered(spec.filters),
    max_ack_pending: MAX_ACK_PENDING,
    max_deliver: -1,
    inactive_threshold: INACTIVE_NS,
  };
}

/** Returns the configuration with what it lacks, or undefined if it lacks nothing. */
function changed(config: ConsumerConfig, spec: ConsumerSpec): Partial<ConsumerConfig> | undefined {
  if (config.deliver_subject || config.ack_policy !== AckPolicy.Explicit) {
    throw new UnavailableError(
      `Consumer "${spec.name}" of stream "${spec.stream}" exists, but cannot be pulled from and acked`,
      { hint: "It was made by another kind of client; delete it" },
    );
  }
  const { filter_subject, filter_subjects, backoff, metadata, ...rest } = config;
  const has = filter_subjects ?? (filter_subject ? [filter_subject] : []);
  // No filter means all subjects and must stay so.
  const filters = has.length === 0 ? [] : withoutCovered([...has, ...spec.filters]);
  const ackWait = Math.max(config.ack_wait ?? 0, spec.ackWaitMs * NANOS);
  const pending = config.max_ack_pending ?? 0;
  const fine = config.durable_name === spec.name && config.inactive_threshold === INACTIVE_NS &&
    !backoff?.length &&
    filters.length === has.length && filters.every((filter) => has.includes(filter)) &&
    ackWait === config.ack_wait && config.max_deliver === -1 &&
    (pending === -1 || pending >= MAX_ACK_PENDING);
  if (fine) return undefined;
  return {
    ...rest,
    name: spec.name,
    durable_name: spec.name,
    ack_wait: ackWait,
    max_deliver: -1,
    inactive_threshold: INACTIVE_NS,
    max_ack_pending: pending === -1 ? -1 : Math.max(pending, MAX_ACK_PENDING),
    ...(filters.length > 0 ? { filter_subjects: filters } : {}),
    // Since 2.11 the broker stores its own version in the metadata, under `_nats.` keys.
    metadata: Object.fromEntries(Object.entries(metadata ?? {}).filter(([key]) => !key.startsWith("_nats."))),
  };
}
