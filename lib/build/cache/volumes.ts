import type { ListedVolume } from "../../docker/docker.ts";
import { LABELS } from "../labels.ts";
import { hashOf } from "./hash.ts";

/**
 * Labels of the volumes that caches are made of. None has the label `conveyor.run`: what is saved does not
 * belong to a run.
 */
export const CACHE_LABELS = {
  /** What the volume is: `layer`, `work` or `saved`. */
  role: "conveyor.cache",
  project: "conveyor.cache-project",
  /** The repository, for people. */
  repository: "conveyor.cache-repository",
  name: "conveyor.cache-name",
  scope: "conveyor.cache-scope",
  /** On `saved`: the key. On `layer`: the key as far as it is known before the checkout. */
  key: "conveyor.cache-key",
  /** On `layer`: set if the key also has a hash of files. */
  files: "conveyor.cache-files",
  /** On `layer` and `work`: the run that writes it. */
  run: "conveyor.cache-run",
  /** On `layer` and `saved`: names of the layers below, the topmost first, separated by commas. */
  below: "conveyor.cache-below",
  /** On `layer`: the layers that its run reads, which are needed until it ends. */
  reads: "conveyor.cache-reads",
  /** On `layer`: the saved cache that its run reads. */
  base: "conveyor.cache-base",
  /** On a build's container: names of the layers that it writes, by their folders, as JSON. */
  layers: "conveyor.cache-layers",
  /** On `saved`: the branch that is the default one, as the clone of its build has found. */
  branch: "conveyor.cache-branch",
  /** On `saved`: the topmost layer. */
  top: "conveyor.cache-top",
  /** On `saved`: when it was last used, milliseconds since the epoch. */
  used: "conveyor.cache-used",
} as const;

/** Which cache a volume belongs to. */
export interface CacheIdentity {
  readonly project: string;
  readonly name: string;
  readonly scope: string;
}

/** The folder that one run writes: a layer on top of those that it reads. Never changes once it is saved. */
export interface Layer extends CacheIdentity {
  readonly volume: ListedVolume;
  readonly run: string;
  /** The key, or its prefix if the rest of it depends on files. */
  readonly key: string;
  /** Whether the key has a hash of files, which only the checkout tells. */
  readonly hasFiles: boolean;
  readonly repository: string;
  readonly below: readonly string[];
  readonly reads: readonly string[];
  /** Name of the saved cache that the run reads; empty if there was none. */
  readonly base: string;
}

/**
 * A saved cache: an empty volume that names its layers. Creating it is what saves a cache, so a crash leaves
 * the old one or the new one, and nothing has to be unlocked.
 */
export interface Saved extends CacheIdentity {
  readonly volume: ListedVolume;
  readonly key: string;
  readonly repository: string;
  /** Names of its layers, the topmost first. */
  readonly layers: readonly string[];
  /** The default branch, if it is of the default scope and that is known; else empty. */
  readonly branch: string;
  readonly usedAt: number;
}

/** The cache volumes of an owner. */
export interface CacheVolumes {
  readonly layers: ReadonlyMap<string, Layer>;
  readonly saved: readonly Saved[];
  /** Volumes that runs need besides their layers, with the run. */
  readonly work: readonly { readonly volume: ListedVolume; readonly run: string }[];
}

const PREFIX = "conveyor-cache-";

export const layerName = (...of: readonly string[]): string => `${PREFIX}${hashOf("layer", ...of)}`;
export const workName = (layer: string): string => `${layer}-work`;
export const savedName = (layer: string, of: string): string =>
  `${PREFIX}${hashOf("saved", layer, of)}-saved`;

/** Sorts the owner's cache volumes. Ignores volumes with our labels and a name that we do not give. */
export function readCacheVolumes(owner: string, volumes: readonly ListedVolume[]): CacheVolumes {
  const layers = new Map<string, Layer>();
  const saved: Saved[] = [];
  const work: CacheVolumes["work"][number][] = [];
  for (const volume of volumes) {
    const { name, labels } = volume;
    const role = labels[CACHE_LABELS.role];
    if (role === undefined || labels[LABELS.owner] !== owner || !name.startsWith(PREFIX)) continue;
    const text = (label: keyof typeof CACHE_LABELS) => labels[CACHE_LABELS[label]] ?? "";
    const identity = { project: text("project"), name: text("name"), scope: text("scope") };
    if (role === "layer") {
      layers.set(name, {
        ...identity,
        volume,
        run: text("run"),
        key: text("key"),
        hasFiles: text("files") !== "",
        repository: text("repository"),
        below: listed(text("below")),
        reads: listed(text("reads")),
        base: text("base"),
      });
    } else if (role === "work" && name.endsWith("-work")) work.push({ volume, run: text("run") });
    else if (role === "saved" && name.endsWith("-saved")) {
      const [key, repository, usedAt] = [text("key"), text("repository"), Number(text("used")) || 0];
      saved.push({
        ...identity,
        volume,
        key,
        repository,
        usedAt,
        branch: text("branch"),
        layers: [text("top"), ...listed(text("below"))],
      });
    }
  }
  return { layers, saved: saved.sort((a, b) => b.usedAt - a.usedAt), work };
}

const listed = (text: string): string[] => text === "" ? [] : text.split(",");

/** Returns the layers that neither a saved cache nor an unfinished run needs. */
export function unneededLayers(
  { layers, saved }: CacheVolumes,
  isUnfinished: (layer: Layer) => boolean,
): Layer[] {
  const needed = new Set(saved.flatMap(({ layers }) => layers));
  for (const [name, layer] of layers) {
    if (needed.has(name) || !isUnfinished(layer)) continue;
    for (const other of [name, ...layer.below, ...layer.reads]) needed.add(other);
  }
  return [...layers].filter(([name]) => !needed.has(name)).map(([, layer]) => layer);
}
