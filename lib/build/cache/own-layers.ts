import { z } from "zod";
import { parseJson } from "../../base/json.ts";
import type { ContainerInfo } from "../../docker/docker.ts";
import { CACHE_LABELS } from "./volumes.ts";

const Layers = z.record(z.string(), z.string());

/**
 * Returns the volumes that a run's caches are written to, by the volumes that show them: what was cached
 * before is none of the disk that the run takes.
 */
export function ownLayers(
  { labels, volumes }: Pick<ContainerInfo, "labels" | "volumes">,
): ReadonlyMap<string, string> {
  const parsed = Layers.safeParse(parseJson(labels[CACHE_LABELS.layers] ?? "{}"));
  const layers = Object.entries(parsed.data ?? {});
  return new Map(layers.flatMap(([path, layer]) => {
    const shown = volumes[path];
    return shown === undefined ? [] : [[shown, layer]];
  }));
}
