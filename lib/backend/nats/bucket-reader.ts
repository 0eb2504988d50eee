import { jetstream, type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { Objm } from "@nats-io/obj";
import type { ArtifactReader } from "../store.ts";
import { Lifetime } from "../embedded/lifetime.ts";
import { CHUNKS, type Entry, entryOf, isArtifact, splitObject } from "./artifact-index.ts";
import { artifactReader } from "./artifact-reader.ts";
import { ARTIFACTS_BUCKET, ARTIFACTS_STREAM } from "./blobs.ts";
import { inOurWords, isStreamMissing } from "./calls.ts";
import { connectNats, type NatsOptions } from "./connection.ts";
import { Link } from "./link.ts";
import { checkJetStream } from "./transport.ts";

/** The artifacts stored on a broker, by any program. */
export interface BucketReader extends ArtifactReader, AsyncDisposable {
  /** The runs that have artifacts, each once. */
  runs(): readonly string[];
}

/**
 * Reads the list of the artifacts that are now stored on a broker, for callers without a control plane: it
 * reads the descriptions of all runs. Throws as `connectNats`, and `Retryable`.
 */
export async function openBucketReader(options: NatsOptions): Promise<BucketReader> {
  const connection = await connectNats(options);
  try {
    const link = new Link(connection);
    const manager = await jetstreamManager(link.client, { checkAPI: false });
    await checkJetStream(connection, manager);
    const byRun = await readDescriptions(link, manager);
    const lifetime = new Lifetime("The reader of artifacts");
    const of = (run: string) => whole(manager, byRun.get(run) ?? new Map<string, Entry>());
    return {
      ...artifactReader(link, { of }, lifetime),
      runs: () => [...byRun.keys()],
      async [Symbol.asyncDispose]() {
        lifetime.end();
        await connection.close();
      },
    };
  } catch (cause) {
    await connection.close();
    throw inOurWords("list the artifacts", cause);
  }
}

async function readDescriptions(
  link: Link,
  manager: JetStreamManager,
): Promise<Map<string, Map<string, Entry>>> {
  const byRun = new Map<string, Map<string, Entry>>();
  try {
    await manager.streams.info(ARTIFACTS_STREAM);
  } catch (error) {
    if (isStreamMissing(error)) return byRun;
    throw error;
  }
  for (const info of await (await new Objm(jetstream(link.client)).open(ARTIFACTS_BUCKET)).list()) {
    if (!isArtifact(info.name)) continue;
    const [run, name] = splitObject(info.name);
    const entries = byRun.get(run) ?? new Map<string, Entry>();
    byRun.set(run, entries.set(name, entryOf(name, info)));
  }
  return byRun;
}

/** Returns only the entries whose chunks are all stored: the bucket may have dropped some of the oldest. */
async function whole(
  manager: JetStreamManager,
  entries: ReadonlyMap<string, Entry>,
): Promise<ReadonlyMap<string, Entry>> {
  if (entries.size === 0) return entries;
  const { state } = await manager.streams.info(ARTIFACTS_STREAM, { subjects_filter: CHUNKS });
  const stored = state.subjects ?? {};
  return new Map([...entries].filter(([, { chunks, subject }]) => (stored[subject] ?? 0) >= chunks));
}
