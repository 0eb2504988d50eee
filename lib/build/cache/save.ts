import { messageOf, Retryable } from "../../base/errors.ts";
import { DockerError } from "../../docker/docker.ts";
import { LABELS } from "../labels.ts";
import type { BuildContext } from "../policy.ts";
import { isOf } from "./choose.ts";
import { CacheKeys } from "./key.ts";
import { CACHE_LABELS, type CacheVolumes, type Layer, type Saved, savedName } from "./volumes.ts";

/**
 * Saves the caches of a run whose build has succeeded, once its container is gone: until then its processes
 * may still write. A failed build saves nothing, and its changes are dropped with its layers. A cache whose
 * key was found is not saved again. Never throws for Docker's errors: they cost a cache, not the build.
 */
export async function saveCaches(context: BuildContext, volumes: CacheVolumes): Promise<void> {
  const { run, results, log } = context;
  const own = [...volumes.layers.values()].filter((layer) => layer.run === run);
  const isComplete = results.builder?.success === true &&
    Object.values(results).every(({ success }) => success);
  if (own.length === 0) return;
  if (!isComplete) {
    await log.line(`Caches are saved of a build that succeeds: ${named(own)} stays as it was`);
    return;
  }
  try {
    const now = await context.docker.now({ signal: context.signal });
    for (const layer of own) {
      // Two layers of one cache: one is of an attempt that was overtaken, and it is not known which.
      if (own.filter(({ name }) => name === layer.name).length > 1) continue;
      await save(context, layer, { volumes, now });
    }
    context.faultPoint("caches-saved");
  } catch (error) {
    if (!(error instanceof DockerError || error instanceof Retryable)) throw error;
    await log.line(`Cannot save ${named(own)}: ${messageOf(error)}`);
  }
}

const named = (layers: readonly Layer[]): string =>
  `${layers.length === 1 ? "cache" : "caches"} ${layers.map(({ name }) => name).join(", ")}`;

async function save(
  context: BuildContext,
  layer: Layer,
  { volumes: { saved }, now }: { volumes: CacheVolumes; now: number },
): Promise<void> {
  const { log } = context;
  const key = wholeKey(layer, context.results.builder?.data);
  if (key === undefined) return;
  const base = saved.find(({ volume }) => volume.name === layer.base);
  if (base !== undefined && key !== "" && base.key === key) {
    // Said to be used now, unless somebody has saved it anew meanwhile.
    if (base.scope === layer.scope) {
      await replace(context, layer, { key, layers: base.layers, now, saved: [base] });
    }
    return;
  }
  const isOfKind = (one: Saved) =>
    one.project === layer.project && one.name === layer.name && one.scope === layer.scope &&
    (one.key === layer.key || isOf(layer.key, one.key));
  const layers = [layer.volume.name, ...layer.below];
  await replace(context, layer, { key, layers, now, saved: saved.filter(isOfKind) });
  await log.line(`Saved cache ${layer.name}${key === "" ? "" : `, key ${key}`}`);
}

/** The new one is there before the old one is gone. */
async function replace(
  { docker, run, settings: { owner }, signal }: BuildContext,
  layer: Layer,
  { key, layers, now, saved }: {
    key: string;
    layers: readonly string[];
    now: number;
    saved: readonly Saved[];
  },
): Promise<void> {
  const [top = "", ...below] = layers;
  const name = savedName(top, run);
  const labels = {
    [LABELS.owner]: owner,
    [CACHE_LABELS.role]: "saved",
    [CACHE_LABELS.project]: layer.project,
    [CACHE_LABELS.repository]: layer.repository,
    [CACHE_LABELS.name]: layer.name,
    [CACHE_LABELS.scope]: layer.scope,
    [CACHE_LABELS.key]: key,
    [CACHE_LABELS.top]: top,
    [CACHE_LABELS.below]: below.join(","),
    [CACHE_LABELS.used]: String(now),
  };
  await docker.createVolume({ name, labels }, { signal });
  for (const { volume } of saved) {
    if (volume.name !== name) await docker.removeVolume(volume.name, { signal });
  }
}

/** The layer's key, with the hash of files that the builder found. Undefined if that is missing. */
function wholeKey(layer: Layer, data: unknown): string | undefined {
  if (!layer.hasFiles) return layer.key;
  const parsed = CacheKeys.safeParse(data);
  const key = parsed.success ? parsed.data.caches[layer.name] : undefined;
  return key !== undefined && isOf(layer.key, key) ? key : undefined;
}
