import type { Docker } from "../../docker/docker.ts";
import { LABELS } from "../labels.ts";
import { removals } from "../removals.ts";
import { CACHE_LABELS, type Layer, readCacheVolumes, type Saved, unneededLayers } from "./volumes.ts";

interface Options {
  readonly owner: string;
  readonly signal: AbortSignal;
}

/** Removes what a run has left of its caches: unsaved layers, and older ones that nothing needs any more. */
export async function removeRunLayers(
  docker: Docker,
  { owner, run, signal }: Options & { run: string },
): Promise<void> {
  await removeUnneeded(docker, { owner, signal, isUnfinished: (layer) => layer.run !== run });
}

/** Removes the layers that nothing needs, with their work volumes, and work volumes of ended runs. */
export async function removeUnneeded(
  docker: Docker,
  { owner, signal, isUnfinished }: Options & { isUnfinished: (of: Pick<Layer, "run">) => boolean },
): Promise<void> {
  const listed = await docker.volumes({ [LABELS.owner]: owner, [CACHE_LABELS.role]: "" }, { signal });
  const found = readCacheVolumes(owner, listed);
  const gone = unneededLayers(found, isUnfinished);
  const names = [
    ...gone.map(({ volume }) => volume.name),
    ...found.work.filter((work) => !isUnfinished(work)).map(({ volume }) => volume.name),
  ];
  const { attempt, check } = removals();
  await Promise.all(names.map((name) => attempt(() => docker.removeVolume(name, { signal }))));
  check();
}

/** Removes a saved cache. Its layers go with the next call of `removeUnneeded`. */
export async function removeSaved(docker: Docker, { volume }: Saved, signal: AbortSignal): Promise<void> {
  await docker.removeVolume(volume.name, { signal });
}
