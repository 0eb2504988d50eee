import { createHash } from "node:crypto";
import type { Lifetime } from "../embedded/lifetime.ts";
import { mtimeField } from "../../wire/run.ts";
import type { ArtifactReader, StoredArtifact } from "../store.ts";
import type { ArtifactIndex, Entry } from "./artifact-index.ts";
import { ARTIFACTS_STREAM } from "./blobs.ts";
import { inOurWords } from "./calls.ts";
import type { Link } from "./link.ts";
import { orderedMessages } from "./ordered.ts";

/** Reads artifacts from the bucket, no faster than the caller, and verifies their checksum. */
export function artifactReader(
  link: Link,
  index: Pick<ArtifactIndex, "of">,
  lifetime: Lifetime,
): ArtifactReader {
  return {
    list: (run) =>
      lifetime.call(async () => Array.from(await index.of(run), ([, entry]) => storedOf(entry)).sort(byName)),
    find: (run, name) =>
      lifetime.call(async () => {
        const entry = (await index.of(run)).get(name);
        return entry && storedOf(entry);
      }),
    open: (run, name) =>
      lifetime.call(async () => {
        const entry = (await index.of(run)).get(name);
        const isThere = async () => (await index.of(run)).get(name)?.subject === entry?.subject;
        return entry && bytesOf(link, entry, isThere, lifetime.signal);
      }),
  };
}

const storedOf = ({ name, size, sha256, mode, mtime }: Entry): StoredArtifact => ({
  name,
  size,
  sha256,
  mode,
  ...mtimeField(mtime),
});
const byName = (a: { name: string }, b: { name: string }): number => a.name < b.name ? -1 : 1;

async function* bytesOf(
  link: Link,
  { name, size, sha256, chunks, subject }: Entry,
  isThere: () => Promise<boolean>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  let read = 0;
  if (chunks > 0) {
    try {
      const query = { stream: ARTIFACTS_STREAM, subject, from: 1, isThere };
      let missing = chunks;
      for await (const { data } of orderedMessages(link, query, signal)) {
        hash.update(data);
        read += data.length;
        yield data;
        if (--missing === 0) break;
      }
    } catch (cause) {
      throw inOurWords(`read artifact "${name}"`, cause);
    }
  }
  signal.throwIfAborted();
  if (read !== size || hash.digest("hex") !== sha256) {
    throw new Error(`Artifact "${name}" was changed or removed while it was read`);
  }
}
