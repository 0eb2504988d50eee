import type { Embedded } from "../../backend/embedded/embedded.ts";
import type { Saved } from "../../build/cache/volumes.ts";
import type { OnFailure } from "../../build/removals.ts";
import { sweep, type SweepOptions } from "../../build/sweep.ts";
import type { Docker } from "../../docker/docker.ts";
import type { Engine } from "../../engine/shell/engine.ts";
import { isRunId } from "../../wire/ids.ts";

export interface CleanParts {
  readonly embedded: Embedded;
  readonly engine: Pick<Engine, "abandon">;
  readonly docker: Docker;
  readonly signal: AbortSignal;
  /** Only say what would be done (default false). */
  readonly dryRun?: boolean;
  /** See `SweepOptions`. */
  readonly olderThanMs?: number;
  /** See `SweepOptions`. */
  readonly onRemoving?: (name: string) => void;
  /** Called with each run that is ended and each object that is removed, at once. */
  readonly onDone?: (what: "run" | "container" | "network" | "volume", name: string) => void;
  /** See `SweepOptions`. */
  readonly onKept?: SweepOptions["onKept"];
  /** See `SweepOptions`. */
  readonly onFailure?: OnFailure;
}

export interface Cleaned {
  /** Runs whose process is gone. */
  readonly ended: readonly string[];
  /** Names of containers. */
  readonly removed: readonly string[];
  /** Names of networks that no container used. */
  readonly networks: readonly string[];
  /** The saved caches; none with `dryRun`. */
  readonly caches: readonly Saved[];
}

/**
 * Ends the runs of this data folder whose process is gone, and removes what no live run owns on this Docker.
 */
export async function cleanData(
  {
    embedded,
    engine,
    docker,
    signal,
    dryRun = false,
    olderThanMs = 0,
    onDone,
    onFailure,
    onKept,
    onRemoving,
  }: CleanParts,
): Promise<Cleaned> {
  const { owner, store } = embedded;
  const ended: string[] = [];
  const dead = embedded.deadScopes().filter(isRunId);
  for (const scope of dead) {
    const found = await store.runs.get(scope);
    const isOpen = found !== undefined && found.value.outcome === undefined;
    if (!dryRun) {
      if (found) await engine.abandon(scope, "The process of this run was ended in the middle of it");
      embedded.forgetScope(scope);
    }
    if (!isOpen) continue;
    ended.push(scope);
    onDone?.("run", scope);
  }
  let caches: readonly Saved[] = [];
  const networks: string[] = [];
  const removed = await sweep(docker, {
    owner,
    onCaches: ({ saved }) => caches = saved,
    onContainer: (name) => onDone?.("container", name),
    onVolume: (name) => onDone?.("volume", name),
    onNetwork: (name) => {
      networks.push(name);
      onDone?.("network", name);
    },
    ...onFailure && { onFailure },
    onKept,
    onRemoving,
    isAlive: async (run) => embedded.isAlive(run) || (!dead.includes(run) && await isOpen(run)),
    signal,
    dryRun,
    olderThanMs,
  });
  return { ended, removed, networks, caches };

  /** After the dead ones, an open run is that of a control plane with this data folder. */
  async function isOpen(run: string): Promise<boolean> {
    const found = await store.runs.get(run);
    return found !== undefined && found.value.outcome === undefined;
  }
}
