import { posix } from "node:path";
import type { ContainerInfo } from "../../docker/docker.ts";
import type { BuildContext } from "../policy.ts";
import { WORKSPACE } from "../plan.ts";
import { unkept } from "./choose.ts";
import type { Session } from "./session.ts";
import { unpack, type UnpackOptions, type Wanted } from "./unpack.ts";

/** Entries of an archive that Docker makes of a folder, wanted or not. */
const MAX_ENTRIES = 1_000_000;

export interface FetchOptions {
  readonly session: Session;
  readonly files: readonly Wanted[];
  readonly take: UnpackOptions["take"];
}

/**
 * Hands on the files' bytes: as one archive of just these files by the container's own tar, or by Docker of the folder around
 * them where the image has none. Throws StepFailure `artifact-failed` that names a file which did not come.
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
  if (missing[0]) throw unkept(missing[0].name, "it is gone, or the build's user cannot read it");
  // A file with several names comes with its bytes only once, under the first of them.
  for (const file of linked) {
    const rest = await copied(context, container, { path: file.path, files: [file], take });
    if (rest.missing.length > 0) throw unkept(file.name, "it is gone");
  }
}

/** By Docker's archive of one file or folder, in which all names begin with the last one of its path. */
async function copied(
  { docker, signal }: BuildContext,
  { id }: ContainerInfo,
  { path, files, take }: { path: string; files: readonly Wanted[]; take: UnpackOptions["take"] },
): Promise<{ missing: Wanted[]; linked: Wanted[] }> {
  const archive = await docker.copyOut(id, posix.join(WORKSPACE, path), { signal });
  if (!archive) return { missing: [...files], linked: [] };
  return await unpack(archive, files, {
    pathOf(name) {
      const slash = name.indexOf("/");
      return slash < 0 ? path : posix.join(path, name.slice(slash + 1));
    },
    maxEntries: MAX_ENTRIES,
    take,
  });
}

/** The folder in which all of the files lie; the file itself where there is one only. */
function commonFolder(files: readonly Wanted[]): string {
  const [first = [], ...others] = files.map(({ path }) => path.split("/"));
  const differs = (segment: string, i: number) => others.some((other) => other[i] !== segment);
  const end = first.findIndex(differs);
  return first.slice(0, end < 0 ? first.length : end).join("/");
}
