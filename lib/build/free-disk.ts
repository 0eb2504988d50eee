import { statfs } from "node:fs/promises";
import type { DaemonInfo, Docker } from "../docker/docker.ts";

/** Free bytes of the disk where Docker keeps its containers; undefined where that is another machine's or cannot be seen from here. */
export async function freeBytes(
  { endpoint }: Docker,
  { rootFolder }: DaemonInfo,
): Promise<number | undefined> {
  if (!endpoint.startsWith("unix:")) return undefined;
  try {
    const { bavail, bsize } = await statfs(rootFolder);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}
