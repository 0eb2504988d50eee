import { jetstream, type JetStreamManager } from "@nats-io/jetstream";
import { type ObjectStore, Objm, setSha256Backend } from "@nats-io/obj";
import type { NatsConnection } from "@nats-io/transport-node";
import { abortable } from "../../base/signals.ts";
import { checkBlobName } from "../checks.ts";
import { apiCode, inOurWords } from "./calls.ts";
import { replicasLike } from "./dead.ts";

/** The object store bucket of all runs' artifacts. */
export const ARTIFACTS_BUCKET = "artifacts";

const NAME_IN_USE = 10058;
const CHUNK_BYTES = 256 * 1024;

/** What an artifact is called in its bucket: `<run>/<name>`, percent-encoded where it is not ASCII, since the client takes nothing else. */
export const objectName = (run: string, name: string): string => encodeURI(`${run}/${name}`);

/** `Transport.putBlob` over the bucket, which is made where it is missing. */
export function blobStore(connection: NatsConnection, manager: JetStreamManager) {
  let opened: Promise<ObjectStore> | undefined;
  const bucket = () => {
    opened ??= openBucket(connection, manager).catch((error) => {
      opened = undefined;
      throw error;
    });
    return opened;
  };

  return async function putBlob(
    run: string,
    name: string,
    bytes: AsyncIterable<Uint8Array>,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<{ size: number; sha256: string }> {
    checkBlobName(run, name);
    signal?.throwIfAborted();
    const source = sourceOf(bytes, signal);
    try {
      const store = await bucket();
      const info = await store.put(
        { name: objectName(run, name), options: { max_chunk_size: CHUNK_BYTES } },
        source.stream,
      );
      const [, digest = ""] = info.digest.split("=", 2);
      return { size: info.size, sha256: Buffer.from(digest, "base64url").toString("hex") };
    } catch (cause) {
      opened = undefined;
      if (source.failure) throw source.failure.error;
      throw inOurWords(`store artifact "${name}"`, cause);
    } finally {
      await source.close();
    }
  };
}

/** Opens the bucket, or makes it with this metadata. */
export async function openBucket(
  connection: NatsConnection,
  manager: JetStreamManager,
  metadata: Record<string, string> = {},
): Promise<ObjectStore> {
  // The client's own hash is ten times slower. Process-wide, and the same for everybody in it.
  setSha256Backend("native");
  const client = jetstream(connection);
  const buckets = new Objm(client);
  try {
    return await buckets.open(ARTIFACTS_BUCKET);
  } catch (error) {
    if (!(error instanceof Error) || !/not found/.test(error.message)) throw error;
    const replicas = await replicasLike(manager, "messages");
    try {
      return await buckets.create(ARTIFACTS_BUCKET, { replicas, metadata });
    } catch (refusal) {
      // Somebody else was quicker, and made it with other metadata.
      if (apiCode(refusal) !== NAME_IN_USE) throw refusal;
      return await buckets.open(ARTIFACTS_BUCKET);
    }
  }
}

/** The bytes as a stream that remembers why it broke: a failure of the source is the caller's, one of the broker is ours. */
function sourceOf(bytes: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined) {
  const iterator = bytes[Symbol.asyncIterator]();
  let failure: { error: unknown } | undefined;
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const next = iterator.next();
        const { done, value } = await (signal ? abortable(next, signal) : next);
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        failure = { error };
        controller.error(error);
      }
    },
  }, { highWaterMark: 0 });
  return {
    stream,
    get failure() {
      return failure;
    },
    close: async () => {
      await iterator.return?.();
    },
  };
}
