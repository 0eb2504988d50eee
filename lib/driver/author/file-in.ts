import { pipeline } from "node:stream/promises";
import type { Docker } from "../../docker/docker.ts";

/** Returns the bytes of a file in a container; undefined if the path does not exist or is not a file. */
export async function fileIn(
  docker: Docker,
  container: string,
  path: string,
  { signal }: { signal: AbortSignal },
): Promise<AsyncIterable<Uint8Array> | undefined> {
  const archive = await docker.copyOut(container, path, { signal });
  if (!archive) return undefined;
  // Few drivers copy files, and none before its first event.
  const { extract } = await import("tar-stream");
  const entries = extract();
  // An error of the archive also reaches the reader of its entries.
  pipeline(archive, entries as unknown as NodeJS.WritableStream).catch(() => {});
  const { value: entry } = await entries[Symbol.asyncIterator]().next();
  if (entry?.header.type === "file") return bytesOf(entry as AsyncIterable<Uint8Array>, entries);
  entries.destroy();
  return undefined;
}

async function* bytesOf(
  entry: AsyncIterable<Uint8Array>,
  entries: { destroy(): void },
): AsyncGenerator<Uint8Array> {
  try {
    yield* entry;
  } finally {
    entries.destroy();
  }
}
