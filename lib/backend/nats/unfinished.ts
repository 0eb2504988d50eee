import { parseJson } from "../../base/json.ts";
import type { JetStreamManager } from "@nats-io/jetstream";
import { type ArtifactIndex, CHUNKS, DESCRIPTIONS } from "./artifact-index.ts";
import { ARTIFACTS_STREAM } from "./blobs.ts";
import type { Link } from "./link.ts";
import { orderedMessages } from "./ordered.ts";
import { storedMessage } from "./stored.ts";

/**
 * Removes the bytes of artifacts that were never finished: whoever stored them was killed in the middle, so that they lie
 * in the bucket without a description that says what they are. Only those whose last piece came more than `idleMs` ago by
 * the broker's clock: one that is just being stored looks the same. Answers how many. Where there is nothing to remove it is
 * two requests, however many artifacts are stored. Throws what the broker does.
 */
export async function removeUnfinished(
  link: Link,
  manager: JetStreamManager,
  index: ArtifactIndex,
  { idleMs, signal }: { idleMs: number; signal: AbortSignal },
): Promise<number> {
  const known = await index.subjects();
  const { state, ts } = await manager.streams.info(ARTIFACTS_STREAM);
  if (state.num_subjects === known.descriptions + known.chunks.size) return 0;
  const now = Date.parse(ts ?? "");
  const { state: { subjects = {} } } = await manager.streams.info(ARTIFACTS_STREAM, {
    subjects_filter: CHUNKS,
  });
  const idle: { subject: string; seq: number }[] = [];
  for (const subject of Object.keys(subjects)) {
    if (known.chunks.has(subject)) continue;
    signal.throwIfAborted();
    const last = await storedMessage(manager, ARTIFACTS_STREAM, { last_by_subj: subject });
    if (last && last.time.getTime() < now - idleMs) idle.push({ subject, seq: last.seq });
  }
  if (idle.length === 0) return 0;
  const described = await describedChunks(link, manager, signal);
  const unfinished = idle.filter(({ subject }) => !described.has(subject));
  for (const { subject, seq } of unfinished) {
    // No further than what was seen to be idle.
    await manager.streams.purge(ARTIFACTS_STREAM, { filter: subject, seq: seq + 1 });
  }
  return unfinished.length;
}

const decoder = new TextDecoder();

/**
 * The subjects that a description names, of whatever is in the bucket: others may keep things there that are no artifacts
 * of ours. Throws SyntaxError where one cannot be read, since nobody knows then what it describes.
 */
async function describedChunks(
  link: Link,
  manager: JetStreamManager,
  signal: AbortSignal,
): Promise<Set<string>> {
  const described = new Set<string>();
  const newest = await storedMessage(manager, ARTIFACTS_STREAM, { last_by_subj: DESCRIPTIONS });
  if (!newest) return described;
  const query = { stream: ARTIFACTS_STREAM, subject: DESCRIPTIONS };
  for await (const message of orderedMessages(link, query, signal)) {
    const { nuid } = parseJson(decoder.decode(message.data)) as { nuid?: unknown };
    described.add(CHUNKS.replace("*", String(nuid)));
    if (message.seq >= newest.seq) return described;
  }
  throw signal.reason;
}
