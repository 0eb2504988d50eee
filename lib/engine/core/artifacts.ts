import { z } from "zod";
import type { StoredArtifact } from "../../backend/store.ts";
import { Artifact, modeText, type Run } from "../../wire/run.ts";

const Listed = z.looseObject({ artifacts: z.array(z.unknown()) });

/** Returns the run's stored artifacts, with their paths from the results of its steps. */
export function artifactsOf(
  run: Run,
  stored: readonly StoredArtifact[],
): Artifact[] {
  const paths = new Map<string, string>();
  for (const { result } of run.steps) {
    const listed = Listed.safeParse(result?.data);
    for (const entry of listed.data?.artifacts ?? []) {
      const artifact = Artifact.safeParse(entry);
      if (artifact.success) paths.set(artifact.data.name, artifact.data.path);
    }
  }
  return stored.map(({ name, size, sha256, mode }) => ({
    name,
    path: paths.get(name) ?? name,
    size,
    sha256,
    ...modeText(mode),
  }));
}
