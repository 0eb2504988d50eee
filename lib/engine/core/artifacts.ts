import { z } from "zod";
import type { StoredArtifact } from "../../backend/store.ts";
import { Artifact, modeText, mtimeField, type Run } from "../../wire/run.ts";

const Listed = z.looseObject({ artifacts: z.array(z.unknown()) });

/** Returns the run's stored artifacts, with their paths and links from the results of its steps. */
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
  const links = linksAmong(stored, paths);
  return stored.map(({ name, size, sha256, mode, mtime }) => ({
    name,
    path: paths.get(name) ?? name,
    size,
    sha256,
    ...modeText(mode),
    ...mtimeField(mtime),
    ...links.has(name) && { link: links.get(name) },
  }));
}

/**
 * Returns the names of links, each with the name of the artifact that it leads to. The path of a link is that
 * of its file; a file has its own name at the end of its path.
 */
function linksAmong(
  stored: readonly StoredArtifact[],
  paths: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const byPath = Map.groupBy(stored, ({ name }) => paths.get(name));
  const links = new Map<string, string>();
  for (const [path, all] of byPath) {
    if (path === undefined || all.length === 1) continue;
    const file = all.filter(({ name }) => `/${path}`.endsWith(`/${name}`))
      .reduce<StoredArtifact | undefined>(
        (longest, one) => longest && longest.name.length >= one.name.length ? longest : one,
        undefined,
      );
    for (const { name, sha256 } of all) {
      // The path is what a driver says, the bytes are what is stored.
      if (file && name !== file.name && sha256 === file.sha256) links.set(name, file.name);
    }
  }
  return links;
}
