import { posix } from "node:path";
import type { ContainerInfo } from "../../docker/docker.ts";
import type { BuildContext } from "../policy.ts";
import { WORKSPACE } from "../plan.ts";
import { joined } from "./byte-queue.ts";
import { unkept } from "./choose.ts";
import type { Session } from "./session.ts";
import { unpack, type Unpacked, type UnpackOptions, type Wanted } from "./unpack.ts";

/** Most entries of an archive that Docker makes of a folder, wanted or not. */
const MAX_ENTRIES = 1_000_000;

export interface FetchOptions {
  readonly session: Session;
  readonly files: readonly Wanted[];
  readonly take: UnpackOptions["take"];
}

/**
 * Passes the files' bytes to `take`. They come in one archive of just these files from the container's tar;
 * without tar, in Docker's archive of their common folder. Docker's archive is not used for more than that: a
 * daemon lets nobody inspect, stop or remove a container while it sends one, so a driver that stands still
 * would keep all others from taking over. Throws StepFailure `artifact-failed` that names a missing file.
 */
export async function fetchFiles(
  context: BuildContext,
  container: ContainerInfo,
  { session, files, take }: FetchOptions,
): Promise<void> {
  const [first] = files;
  if (!first) return;
  const { missing, linked } = session.sends
    ? await unpack(session.send(files.map(({ path }) => path)), files, {
      pathOf: (name) => name.replace(/^\.\//, ""),
      maxEntries: files.length,
      take,
    })
    : await copied(context, container, { path: commonFolder(files), files, take });
  if (missing.length > 0) {
    throw unkept(
      missing.map(({ name }) => ({ name, why: "it is gone, or the build's user cannot read it" })),
    );
  }
  // A file with several names is in the archive only once, under the first name.
  for (const file of linked) {
    const rest = await copied(context, container, { path: file.path, files: [file], take });
    if (rest.missing.length > 0) throw unkept([{ name: file.name, why: "it is gone" }]);
  }
}

/**
 * Reads files from Docker's archive of one file or folder. All names in it begin with the last segment of its
 * path.
 */
async function copied(
  { docker, signal }: BuildContext,
  { id }: ContainerInfo,
  { path, files, take }: { path: string; files: readonly Wanted[]; take: UnpackOptions["take"] },
): Promise<Unpacked> {
  const archive = await docker.copyOut(id, posix.join(WORKSPACE, path), { signal });
  if (!archive) return { missing: [...files], linked: [] };
  return await unpack(joined(archive), files, {
    pathOf(name) {
      const slash = name.indexOf("/");
      return slash < 0 ? path : posix.join(path, name.slice(slash + 1));
    },
    maxEntries: MAX_ENTRIES,
    take,
  });
}

/** Returns the common folder of the files, or the path of the only file. */
function commonFolder(files: readonly Wanted[]): string {
  const [first = [], ...others] = files.map(({ path }) => path.split("/"));
  const differs = (segment: string, i: number) => others.some((other) => other[i] !== segment);
  const end = first.findIndex(differs);
  return first.slice(0, end < 0 ? first.length : end).join("/");
}
