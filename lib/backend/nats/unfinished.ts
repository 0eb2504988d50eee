import { parseJson } from "../../base/json.ts";
import type { JetStreamManager } from "@nats-io/jetstream";
import { type ArtifactIndex, CHUNKS, DESCRIPTIONS } from "./artifact-index.ts";
import { ARTIFACTS_STREAM } from "./blobs.ts";
import type { Link } from "./link.ts";
import { orderedMessages } from "./ordered.ts";
import { storedMessage } from "./stored.ts";

/**
 * Removes the chunks of artifacts whose upload was cut off: no description refers to them. Only chunks whose
 * last message is older than `idleMs` by the broker's clock: an upload in progress looks the same. Returns
 * how many artifacts were removed. If there is nothing to remove it makes two requests, however many
 * artifacts are stored. Throws the broker's errors.
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
    // Purge no further than the message that was seen to be idle.
    await manager.streams.purge(ARTIFACTS_STREAM, { filter: subject, seq: seq + 1 });
  }
  return unfinished.length;
}

const decoder = new TextDecoder();

/**
 * Returns the chunk subjects named by any description in the bucket, including objects that are not our
 * artifacts. Throws `SyntaxError` if a description cannot be parsed, because its chunks are then unknown.
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
