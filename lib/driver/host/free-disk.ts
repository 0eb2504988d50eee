import { statfs } from "node:fs/promises";
import type { DaemonInfo, Docker } from "../../docker/docker.ts";

/**
 * Returns the free bytes on the disk where Docker keeps its containers. Undefined if Docker runs on another
 * machine or its folder cannot be read.
 */
export async function freeBytes(
  { endpoint }: Pick<Docker, "endpoint">,
  { rootFolder }: Pick<DaemonInfo, "rootFolder">,
): Promise<number | undefined> {
  if (!endpoint.startsWith("unix:")) return undefined;
  try {
    const { bavail, bsize } = await statfs(rootFolder);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}
