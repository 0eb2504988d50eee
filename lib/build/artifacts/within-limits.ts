import { counted, formatSize } from "../../base/units.ts";
import type { BuildContext } from "../policy.ts";
import { mostEntryBytes, needsManifest } from "./manifest.ts";
import type { Wanted } from "./unpack.ts";

/**
 * Returns as many of the files, in order, as the operator's limits allow, with room for the list of them
 * where that has to be an artifact too (see withManifest).
 */
export async function withinLimits(
  { log, settings }: { log: Pick<BuildContext["log"], "line">; settings: Limits },
  files: readonly Wanted[],
): Promise<Wanted[]> {
  const { maxArtifactBytes, maxArtifactFiles } = settings;
  const unlisted = chosen(files, settings, ({ size }) => size);
  const isListed = needsManifest(unlisted.few);
  const { small, few } = !isListed ? unlisted : chosen(
    files,
    { maxArtifactBytes, maxArtifactFiles: maxArtifactFiles - 1 },
    (file) => file.size + mostEntryBytes(file),
  );
  const theirs = isListed ? " with their list" : "";
  if (small.length < files.length) {
    await log.line(
      `${notKept(files.length - small.length)}: the artifacts${theirs} are more than ${
        formatSize(maxArtifactBytes)
      } together`,
    );
  }
  if (few.length < small.length) {
    await log.line(
      `${notKept(small.length - few.length)}: there are more than ${maxArtifactFiles}${theirs}`,
    );
  }
  return few;
}

const notKept = (count: number): string => `${counted(count, "artifact is", "artifacts are")} not kept`;

type Limits = Pick<BuildContext["settings"], "maxArtifactBytes" | "maxArtifactFiles">;

function chosen(
  files: readonly Wanted[],
  { maxArtifactBytes, maxArtifactFiles }: Limits,
  bytesOf: (file: Wanted) => number,
): { small: Wanted[]; few: Wanted[] } {
  let left = maxArtifactBytes;
  const small = files.filter((file) => {
    const bytes = bytesOf(file);
    if (bytes > left) return false;
    left -= bytes;
    return true;
  });
  return { small, few: small.slice(0, maxArtifactFiles) };
}
