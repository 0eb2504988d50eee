import { StepFailure } from "../../base/errors.ts";
import { counted } from "../../base/units.ts";
import type { BuildContext } from "../policy.ts";
import { type Artifact, MAX_MTIME, modeText } from "../../wire/run.ts";
import { inPieces } from "./byte-queue.ts";
import type { Wanted } from "./unpack.ts";

/** Most bytes of a result's list of artifacts as JSON. A result has room for 64 KiB in all. */
const MAX_LIST_BYTES = 32 * 1024;

/**
 * Returns the artifacts to list in a result. If the list is too large, stores it as an artifact, and returns
 * only that one.
 */
export async function withManifest(
  context: Pick<BuildContext, "log" | "putArtifact" | "signal">,
  kept: readonly Artifact[],
): Promise<Artifact[]> {
  const list = bytesOf(kept);
  if (list.length <= MAX_LIST_BYTES) return [...kept];
  const name = freeName(new Set(kept.map(({ name }) => name)));
  const { size, sha256 } = await context.putArtifact(name, inPieces([list]), { signal: context.signal });
  await context.log.line(`${counted(kept.length, "artifact is", "artifacts are")} listed in ${name}`);
  return [{ name, path: name, size, sha256 }];
}

/** Whether the list of these files may be too large for a result. */
export const needsManifest = (files: readonly Wanted[]): boolean =>
  files.reduce((sum, file) => sum + mostEntryBytes(file), 0) > MAX_LIST_BYTES;

/** Returns the most bytes that a file takes in the list, with what stands between two entries. */
export const mostEntryBytes = ({ name, path, size, times }: Wanted): number =>
  bytesOf([{
    name,
    path,
    size,
    sha256: "0".repeat(64),
    ...modeText(0o777),
    ...times && { mtime: MAX_MTIME },
  }]).length;

const bytesOf = (list: readonly Artifact[]): Uint8Array => new TextEncoder().encode(JSON.stringify(list));

function freeName(taken: ReadonlySet<string>): string {
  for (let n = 1; n < 1000; n++) {
    const name = n === 1 ? "artifacts.json" : `artifacts-${n}.json`;
    if (!taken.has(name)) return name;
  }
  throw new StepFailure("There is no name left for the list of artifacts", { reason: "artifact-failed" });
}
