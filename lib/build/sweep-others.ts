import type { Docker, ListedContainer } from "../docker/docker.ts";
import { isWorkspace, LABELS } from "./labels.ts";
import type { OnFailure } from "./removals.ts";
import { sweep, type SweepOptions } from "./sweep.ts";

/** A removed object, and its installation. */
export interface Swept {
  readonly kind: "container" | "network" | "volume";
  readonly name: string;
  readonly owner: string;
}

export interface SweepOthersOptions {
  /** This installation, whose runs are left alone. */
  readonly own: string | undefined;
  /** Leaves runs that have an object younger than this, milliseconds. */
  readonly olderThanMs: number;
  readonly signal: AbortSignal;
  readonly dryRun?: boolean;
  /** Called with each object that is removed, at once. */
  readonly onSwept?: (one: Swept) => void;
  /** See `SweepOptions`. */
  readonly onFailure?: OnFailure;
}

/**
 * How old a network must be that no container of its run uses, milliseconds: a run makes its network before
 * its container.
 */
const LEAST_NETWORK_AGE_MS = 3_600_000;

/**
 * Removes what runs of other installations have left on the daemon. Nobody here knows their runs, so labels
 * decide: a run is over once all its containers have expired by their label, which is an hour after its
 * timeout (a day where the container is kept for a look), when no instance that knows it is expected to be
 * alive. A run of which a container has not expired, or has no such label, is left whole.
 */
export async function sweepOthers(
  docker: Docker,
  { own, olderThanMs, signal, dryRun = false, onSwept, onFailure }: SweepOthersOptions,
): Promise<Swept[]> {
  const all = { [LABELS.owner]: "" };
  const [now, containers, networks, volumes] = await Promise.all([
    docker.now({ signal }),
    docker.list(all, { signal }),
    docker.networks(all, { signal }),
    docker.volumes(all, { signal }),
  ]);
  const owners = new Set(
    [...containers, ...networks, ...volumes].map(({ labels }) => labels[LABELS.owner] ?? ""),
  );
  const swept: Swept[] = [];
  for (const owner of [...owners].filter((owner) => owner !== "" && owner !== own).toSorted()) {
    const theirs = containers.filter(({ labels }) => labels[LABELS.owner] === owner);
    const over = overRuns(theirs, now);
    const isUsed = (run: string) => theirs.some(({ labels }) => labels[LABELS.run] === run);
    for (
      const { labels, labels: { [LABELS.run]: run = "" } } of volumes.filter((one) => isWorkspace(one, owner))
    ) {
      if (!isUsed(run) && isExpired(labels, now)) over.add(run);
    }
    for (const { labels, createdAt } of networks) {
      const { [LABELS.run]: run = "" } = labels;
      const isOld = createdAt < now - LEAST_NETWORK_AGE_MS;
      if (labels[LABELS.owner] === owner && !isUsed(run) && isOld) over.add(run);
    }
    if (over.size === 0) continue;
    const add = (kind: Swept["kind"]) => (name: string) => {
      swept.push({ kind, name, owner });
      onSwept?.({ kind, name, owner });
    };
    // A restart may have created a container of the run since we looked.
    const isAlive: SweepOptions["isAlive"] = (run, isExpired, labels) =>
      !over.has(run) || (LABELS.expires in labels && !isExpired);
    await sweep(docker, {
      owner,
      isAlive,
      onContainer: add("container"),
      onNetwork: add("network"),
      onVolume: add("volume"),
      ...onFailure && { onFailure },
      olderThanMs,
      signal,
      dryRun,
    });
  }
  return swept;
}

/** Returns the runs that have containers, all of which have expired. */
function overRuns(containers: readonly ListedContainer[], now: number): Set<string> {
  const isOver = new Map<string, boolean>();
  for (const { labels } of containers) {
    const { [LABELS.run]: run = "" } = labels;
    isOver.set(run, isExpired(labels, now) && isOver.get(run) !== false);
  }
  return new Set([...isOver].filter(([, over]) => over).map(([run]) => run));
}

function isExpired({ [LABELS.expires]: expires = "" }: ListedContainer["labels"], now: number): boolean {
  return /^\d+$/.test(expires) && Number(expires) < now;
}
