import { createHash } from "node:crypto";
import { JetStreamApiCodes, type JetStreamManager } from "@nats-io/jetstream";
import { headers } from "@nats-io/transport-node";
import type { Transport } from "../transport.ts";
import { apiCode, isStreamMissing, isUnanswered, storedAt } from "./calls.ts";
import { replicasLike } from "./dead.ts";
import type { Link } from "./link.ts";

/** The last message of a subject is the mark; its sequence is the revision. */
const MARKS_STREAM = "marks";
const MAX_AGE_NS = 86_400 * 1e9;
const CHANGED = new Set<number>([
  JetStreamApiCodes.StreamWrongLastSequence,
  JetStreamApiCodes.StreamWrongLastSequenceUnknown,
]);

/** Implements `Transport.readMark` and `writeMark` with a stream, which is created if it is missing. */
export function marksOver(
  link: Link,
  manager: JetStreamManager,
): Pick<Transport, "readMark" | "writeMark"> {
  const made = { stream: false };

  return {
    async readMark(name) {
      try {
        const message = await manager.streams.getMessage(MARKS_STREAM, { last_by_subj: subjectOf(name) });
        return message ? { text: message.string(), revision: message.seq } : undefined;
      } catch (error) {
        if (isStreamMissing(error) || apiCode(error) === JetStreamApiCodes.NoMessageFound) return undefined;
        throw error;
      }
    },

    async writeMark(name, text, revision) {
      const only = headers();
      only.set("Nats-Expected-Last-Subject-Sequence", String(revision));
      try {
        if (!made.stream) await ensureMarks(manager);
        made.stream = true;
        return storedAt(await link.ask(subjectOf(name), text, { headers: only })).seq;
      } catch (error) {
        if (CHANGED.has(apiCode(error))) return undefined;
        if (isUnanswered(error)) made.stream = false;
        throw error;
      }
    },
  };
}

/** Hashes the name, which may contain characters that a subject must not. */
function subjectOf(name: string): string {
  return `${MARKS_STREAM}.${createHash("sha256").update(name).digest("hex")}`;
}

async function ensureMarks(manager: JetStreamManager): Promise<void> {
  try {
    await manager.streams.info(MARKS_STREAM);
  } catch (error) {
    if (!isStreamMissing(error)) throw error;
    await manager.streams.add({
      name: MARKS_STREAM,
      subjects: [`${MARKS_STREAM}.>`],
      max_msgs_per_subject: 1,
      max_age: MAX_AGE_NS,
      num_replicas: await replicasLike(manager, "messages"),
    });
  }
}
