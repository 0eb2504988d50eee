import { type JetStreamManager, RetentionPolicy } from "@nats-io/jetstream";
import { headers, type Msg } from "@nats-io/transport-node";
import { messageOf } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { apiCode, isStreamMissing, isTooMuch, isUnanswered, NAME_IN_USE, storedAt } from "./calls.ts";
import type { Place } from "./delivery.ts";
import type { Link } from "./link.ts";
import { HEADER_ROOM_BYTES, MAX_MESSAGE_BYTES } from "../transport.ts";

/** Keeps what could never be handled, for people to look at: 30 days, 1 GiB at most. */
export const DEAD_STREAM = "dead";
const MAX_AGE_NS = 30 * 86_400 * 1e9;
const MAX_BYTES = 1024 ** 3;

/**
 * Copies messages to `dead.<stream>.<subject>`, with the reason and their origin as headers, before they are termed; makes
 * the stream where it is missing. A message is copied once for each consumer. A copy that the broker refuses (no room, no
 * permission) is a line in the process log: such a message must not come again for ever.
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

/** What a copy's headers take: those of the message, and the ones that are added. */
const headerRoom = ({ headers }: Msg): number => HEADER_ROOM_BYTES + (headers?.toString().length ?? 0);

/** Makes the stream where it is missing, as large as the broker allows. */
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
        // Another process was quicker.
        if (apiCode(refusal) === NAME_IN_USE) return;
        if (!isTooMuch(refusal) || bytes < MAX_MESSAGE_BYTES) throw refusal;
      }
    }
  }
}

/** How many replicas the stream has: what drivers make beside it is as safe as it is. */
export async function replicasLike(manager: JetStreamManager, stream: string): Promise<number> {
  try {
    return (await manager.streams.info(stream)).config.num_replicas;
  } catch (error) {
    if (isStreamMissing(error) || isUnanswered(error)) return 1;
    throw error;
  }
}
