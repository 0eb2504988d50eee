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
/**
 * From this size on a file comes in Docker's own archive. That takes half the time of a process's output, which
 * passes through more programs, and costs one call.
 */
const LARGE_BYTES = 32 * 1024 * 1024;

export interface FetchOptions {
  readonly session: Session;
  readonly files: readonly Wanted[];
  readonly take: UnpackOptions["take"];
}

/**
 * Passes the files' bytes to `take`. Each large one comes in an archive that Docker makes, all others in one
 * archive from the container's tar; without tar, in Docker's archive of their common folder. Throws StepFailure `artifact-failed` that names a
 * missing file.
 */
export async function fetchFiles(
  context: BuildContext,
  container: ContainerInfo,
  { session, files, take }: FetchOptions,
): Promise<void> {
  if (files.length === 0) return;
  if (!session.sends) {
    const path = commonFolder(files);
    return await takeRest(await copied(context, container, { path, files, take }));
  }
  const { large = [], small = [] } = Object.groupBy(files, isLarge);
  const areReadable = await session.canRead(large.map(({ path }) => path));
  const unreadable = large.find((_, i) => !areReadable[i]);
  if (unreadable) return await takeRest({ missing: [unreadable], linked: [] });
  for (const file of large) await takeSingle(file);
  if (small.length === 0) return;
  const archive = session.send(small.map(({ path }) => path));
  const pathOf = (name: string) => name.replace(/^\.\//, "");
  await takeRest(await unpack(archive, small, { pathOf, maxEntries: small.length, take }));

  async function takeRest({ missing: [missing], linked }: Unpacked): Promise<void> {
    if (missing) throw unkept(missing.name, "it is gone, or the build's user cannot read it");
    // A file with several names is in the archive only once, under the first name.
    for (const file of linked) await takeSingle(file);
  }

  async function takeSingle(file: Wanted): Promise<void> {
    const { missing } = await copied(context, container, { path: file.path, files: [file], take });
    if (missing.length > 0) throw unkept(file.name, "it is gone");
  }
}

const isLarge = ({ size }: Wanted): "large" | "small" => size >= LARGE_BYTES ? "large" : "small";

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
