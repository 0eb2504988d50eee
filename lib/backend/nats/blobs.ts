import { randomUUID } from "node:crypto";
import { jetstream, type JetStreamManager } from "@nats-io/jetstream";
import type { ObjectStore } from "@nats-io/obj";
import { headers as newHeaders, type NatsConnection } from "@nats-io/transport-node";
import { retry } from "../../base/retry.ts";
import { abortable } from "../../base/signals.ts";
import { mtimeField, USUAL_MODE } from "../../wire/run.ts";
import { checkBlobName } from "../shared/checks.ts";
import { HEADER_ROOM_BYTES } from "../transport.ts";
import { apiCode, inOurWords, NAME_IN_USE, storedAt } from "./calls.ts";
import { replicasLike } from "./dead.ts";
import type { Link } from "./link.ts";

/** The object store bucket of all runs' artifacts. */
export const ARTIFACTS_BUCKET = "artifacts";
/** The bucket's stream. */
export const ARTIFACTS_STREAM = `OBJ_${ARTIFACTS_BUCKET}`;

const CHUNK_BYTES = 256 * 1024;

/**
 * Returns an artifact's object name: `<run>/<name>`, percent-encoded because the client accepts only ASCII.
 */
export const objectName = (run: string, name: string): string => encodeURI(`${run}/${name}`);

/**
 * Implements `Transport.putBlob` with the bucket, which is created if it is missing. Waits for an unavailable
 * broker until `signal` fires.
 */
export function blobStore(link: Link, manager: JetStreamManager) {
  let made: Promise<unknown> | undefined;
  const ensure = () => {
    made ??= openBucket(link.client, manager).catch((error) => {
      made = undefined;
      throw error;
    });
    return made;
  };

  return async function putBlob(
    run: string,
    name: string,
    bytes: AsyncIterable<Uint8Array>,
    { signal, mode = USUAL_MODE, mtime }: { signal?: AbortSignal; mode?: number; mtime?: number } = {},
  ): Promise<{ size: number; sha256: string }> {
    checkBlobName(run, name);
    signal?.throwIfAborted();
    const source = sourceOf(bytes, signal);
    const what = `store artifact "${name}"`;
    try {
      const patience = signal ? { signal } : {};
      await retry(() => ensure().catch((cause) => Promise.reject(inOurWords(what, cause))), patience);
      const client = steadfast(link, what, patience);
      const { Objm } = await objects();
      const store = await new Objm(jetstream(client)).open(ARTIFACTS_BUCKET, false);
      const info = await store.put(
        {
          name: objectName(run, name),
          options: { max_chunk_size: chunkBytes(link) },
          metadata: metadataOf(mode, mtimeField(mtime)),
        },
        source.stream,
      );
      const [, digest = ""] = info.digest.split("=", 2);
      return { size: info.size, sha256: Buffer.from(digest, "base64url").toString("hex") };
    } catch (cause) {
      made = undefined;
      if (source.failure) throw source.failure.error;
      throw inOurWords(what, cause);
    } finally {
      await source.close();
    }
  };
}

const metadataOf = (mode: number, { mtime }: { mtime?: number }): Record<string, string> => ({
  ...mode !== USUAL_MODE && { mode: String(mode) },
  ...mtime !== undefined && { mtime: String(mtime) },
});

/** Loaded on first use: most drivers store no artifacts. */
const objects = () => import("@nats-io/obj");

/** Leaves room for a chunk's headers, which the client's own limit does not. */
const chunkBytes = ({ maxMessageBytes }: Link): number =>
  Math.min(CHUNK_BYTES, maxMessageBytes - HEADER_ROOM_BYTES);

/**
 * Returns a connection for storing one blob, whose bytes can be read only once: each request is repeated
 * until the broker answers. Chunks have message ids, so a repeated one is stored once.
 */
function steadfast(link: Link, what: string, patience: { signal?: AbortSignal }): NatsConnection {
  return link.clientThat(async (subject, data, { headers = newHeaders(), ...options } = {}) => {
    const isToBeStored = subject.startsWith("$O.");
    if (isToBeStored) headers.set("Nats-Msg-Id", randomUUID());
    const ask = async () => {
      try {
        const answer = await link.ask(subject, data, { ...options, headers });
        if (isToBeStored) storedAt(answer);
        return answer;
      } catch (cause) {
        throw inOurWords(what, cause);
      }
    };
    return await retry(ask, patience);
  });
}

/** Opens the bucket, or creates it with this metadata. */
export async function openBucket(
  connection: NatsConnection,
  manager: JetStreamManager,
  metadata: Record<string, string> = {},
): Promise<ObjectStore> {
  const { Objm, setSha256Backend } = await objects();
  // The client's own hash is ten times slower. The setting is process-wide.
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
      // Another process was first and used other metadata.
      if (apiCode(refusal) !== NAME_IN_USE) throw refusal;
      return await buckets.open(ARTIFACTS_BUCKET);
    }
  }
}

/**
 * Wraps the bytes as a stream that records an error of the source: it is thrown unchanged, while errors of
 * the broker are translated.
 */
function sourceOf(bytes: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined) {
  const iterator = bytes[Symbol.asyncIterator]();
  let failure: { error: unknown } | undefined;
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const next = iterator.next();
        const { done, value } = await (signal ? abortable(next, signal) : next);
        if (done) controller.close();
        // A copy: the client keeps parts of a chunk while the next one is filled, perhaps into the same
        // buffer.
        else controller.enqueue(new Uint8Array(value));
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
