import { messageOf, Retryable } from "../../base/errors.ts";
import { DockerError } from "../../docker/docker.ts";
import { isMirror } from "../git/mirror.ts";
import { LABELS } from "../labels.ts";
import type { BuildContext } from "../policy.ts";
import { isOf } from "./choose.ts";
import { CacheKeys } from "./key.ts";
import { DEFAULT_SCOPE } from "./scope.ts";
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
  const asked = own.filter((layer) => !isMirror(layer));
  if (!isComplete && asked.length > 0) {
    await log.line(`Not saved, since the build did not succeed: ${named(asked)}`);
  }
  // What was fetched is worth keeping whatever became of the build.
  const saving = isComplete ? own : own.filter(isMirror);
  if (saving.length === 0) return;
  try {
    const now = await context.docker.now({ signal: context.signal });
    for (const layer of saving) {
      // Two layers of one cache: one is of an attempt that was overtaken, and it is not known which.
      if (own.filter(({ name }) => name === layer.name).length > 1) continue;
      await save(context, layer, { volumes, now });
    }
    context.faultPoint("caches-saved");
  } catch (error) {
    if (!(error instanceof DockerError || error instanceof Retryable)) throw error;
    await log.line(`Cannot save ${named(saving)}: ${messageOf(error)}`);
  }
}

/** What the clone says of the mirror: whether it has added to it, or only used it. */
function mirrorState({ results }: BuildContext): "changed" | "used" | "none" {
  const { success, data } = results["git-cloner"] ?? {};
  const said = success && typeof data === "object" && data !== null && "mirror" in data
    ? data.mirror
    : undefined;
  return said === "changed" || said === "used" ? said : "none";
}

const named = (layers: readonly Layer[]): string =>
  layers.map((layer) => isMirror(layer) ? "the git mirror" : `cache ${layer.name}`).join(", ");

async function save(
  context: BuildContext,
  layer: Layer,
  { volumes: { saved }, now }: { volumes: CacheVolumes; now: number },
): Promise<void> {
  const { log } = context;
  const key = wholeKey(layer, context.results.builder?.data);
  const mirror = isMirror(layer) ? mirrorState(context) : undefined;
  if (key === undefined || mirror === "none") return;
  const base = saved.find(({ volume }) => volume.name === layer.base);
  if (base !== undefined && (mirror === "used" || (key !== "" && base.key === key))) {
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
  await log.line(`Saved ${named([layer])}${key === "" ? "" : `, key ${key}`}`);
}

/** The new one is there before the old one is gone. */
async function replace(
  context: BuildContext,
  layer: Layer,
  { key, layers, now, saved }: {
    key: string;
    layers: readonly string[];
    now: number;
    saved: readonly Saved[];
  },
): Promise<void> {
  const { docker, run, settings: { owner }, signal } = context;
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
    [CACHE_LABELS.branch]: defaultBranch(context, layer),
    [CACHE_LABELS.top]: top,
    [CACHE_LABELS.below]: below.join(","),
    [CACHE_LABELS.used]: String(now),
  };
  await docker.createVolume({ name, labels }, { signal });
  for (const { volume } of saved) {
    if (volume.name !== name) await docker.removeVolume(volume.name, { signal });
  }
}

/** The branch that a build without a ref has checked out: the default one. */
function defaultBranch({ resource: { spec }, results }: BuildContext, layer: Layer): string {
  const isOfDefault = layer.scope === DEFAULT_SCOPE && typeof spec === "object" && spec !== null &&
    !("ref" in spec) && !("cacheScope" in spec);
  const data = results["git-cloner"]?.data;
  const ref = isOfDefault && typeof data === "object" && data !== null && "ref" in data
    ? data.ref
    : undefined;
  return typeof ref === "string" && /^refs\/heads\/[^\s]{1,200}$/.test(ref) ? ref : "";
}

/** The layer's key, with the hash of files that the builder found. Undefined if that is missing. */
function wholeKey(layer: Layer, data: unknown): string | undefined {
  if (!layer.hasFiles) return layer.key;
  const parsed = CacheKeys.safeParse(data);
  const key = parsed.success ? parsed.data.caches[layer.name] : undefined;
  return key !== undefined && isOf(layer.key, key) ? key : undefined;
}
