import { type JetStreamManager, RetentionPolicy } from "@nats-io/jetstream";
import { headers, type Msg } from "@nats-io/transport-node";
import { messageOf } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { apiCode, isStreamMissing, isTooMuch, isUnanswered, NAME_IN_USE, storedAt } from "./calls.ts";
import type { Place } from "./delivery.ts";
import type { Link } from "./link.ts";
import { HEADER_ROOM_BYTES, MAX_MESSAGE_BYTES } from "../transport.ts";

/** Stream of the messages that could not be handled, for inspection: kept for 30 days, at most 1 GiB. */
export const DEAD_STREAM = "dead";
const MAX_AGE_NS = 30 * 86_400 * 1e9;
const MAX_BYTES = 1024 ** 3;

/**
 * Copies a message to `dead.<stream>.<subject>` before it is termed, with the reason and its origin as
 * headers; creates the stream if it is missing. A message is copied once per consumer. If the broker refuses
 * the copy (no room, no permission), this is only logged: otherwise such a message would be redelivered for
 * ever.
 */
export function deadLetters(link: Link, manager: JetStreamManager) {
  const made = { stream: false };

  return async function deadLetter(message: Msg, place: Place, reason: string): Promise<void> {
    try {
      if (!made.stream) await ensureDeadStream(manager);
      made.stream = true;
      await copy(link, message, place, reason);
    } catch (error) {
      made.stream = false;
      if (apiCode(error) === 0) throw error;
      processLog("nats").error("Cannot keep a copy of message {seq} of stream {stream} ({reason}): {error}", {
        seq: place.streamSeq,
        stream: place.stream,
        reason,
        error: messageOf(error),
      });
    }
  };
}

async function copy(link: Link, message: Msg, place: Place, reason: string): Promise<void> {
  const subject = `${DEAD_STREAM}.${place.stream}.${message.subject}`;
  const made = headers();
  for (const [name, values] of message.headers ?? []) {
    if (!name.startsWith("Nats-")) { for (const value of values) made.append(name, value); }
  }
  made.set("Nats-Msg-Id", `${place.stream}/${place.consumer}/${place.streamSeq}`);
  made.set("Conveyor-Dead-Reason", reason);
  made.set("Conveyor-Dead-Consumer", place.consumer);
  made.set("Conveyor-Dead-Id", message.headers?.get("Nats-Msg-Id") ?? "");
  const data = message.data.subarray(0, Math.max(0, link.maxMessageBytes - headerRoom(message)));
  storedAt(await link.insist(subject, data, { headers: made, repeatable: true }));
}

/** Size of a copy's headers, bytes: those of the message and the added ones. */
const headerRoom = ({ headers }: Msg): number => HEADER_ROOM_BYTES + (headers?.toString().length ?? 0);

/** Creates the stream if it is missing, as large as the broker allows up to `maxBytes`. */
export async function ensureDeadStream(manager: JetStreamManager, maxBytes = MAX_BYTES): Promise<void> {
  try {
    await manager.streams.info(DEAD_STREAM);
  } catch (error) {
    if (!isStreamMissing(error)) throw error;
    const config = {
      name: DEAD_STREAM,
      subjects: [`${DEAD_STREAM}.>`],
      retention: RetentionPolicy.Limits,
      max_age: MAX_AGE_NS,
      num_replicas: await replicasLike(manager, "messages"),
    };
    for (let bytes = maxBytes;; bytes = Math.floor(bytes / 8)) {
      try {
        return void await manager.streams.add({ ...config, max_bytes: bytes });
      } catch (refusal) {
        // Another process was first.
        if (apiCode(refusal) === NAME_IN_USE) return;
        if (!isTooMuch(refusal) || bytes < MAX_MESSAGE_BYTES) throw refusal;
      }
    }
  }
}

/** Returns the number of kept messages; 0 if there is no stream of them, or none that we may look at. */
export async function countDeadLetters(manager: JetStreamManager): Promise<number> {
  try {
    return (await manager.streams.info(DEAD_STREAM)).state.messages;
  } catch (error) {
    if (isStreamMissing(error) || isUnanswered(error)) return 0;
    throw error;
  }
}

/**
 * Returns the number of replicas of `stream`, for streams that drivers create beside it; 1 if it is not
 * known.
 */
export async function replicasLike(manager: JetStreamManager, stream: string): Promise<number> {
  try {
    return (await manager.streams.info(stream)).config.num_replicas;
  } catch (error) {
    if (isStreamMissing(error) || isUnanswered(error)) return 1;
    throw error;
  }
}
