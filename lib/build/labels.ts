import type { RunFacts } from "../driver/run-state.ts";
import type { ContainerInfo, Docker, ListedContainer } from "../docker/docker.ts";

/** What our containers, volumes and networks are found by again. Values are texts. */
export const LABELS = {
  owner: "conveyor.owner",
  run: "conveyor.run",
  resource: "conveyor.resource",
  /** The resource's type and id, and the event that the container was made for: for questions about the run. */
  type: "conveyor.type",
  resourceId: "conveyor.resource-id",
  event: "conveyor.event",
  /** Who the build's processes run as; empty for root. The container's own process is root's. */
  user: "conveyor.user",
  /** Its limit, bytes. */
  memory: "conveyor.memory",
  /** Milliseconds since the epoch in the daemon's clock: nobody who knows the run is expected to be alive after it. */
  expires: "conveyor.expires",
  /** Of a volume: the id of a container that is about to start, and needs room although it does not run yet. */
  starts: "conveyor.starts",
  /** The spec's `keep`; always written, since an image can carry labels too. What is kept no sweep removes before it expires. */
  keep: "conveyor.keep",
  /** What a container beside the build's own is for: `git`. It takes no slot of its own. */
  kind: "conveyor.kind",
} as const;

/** The one name that a run's container can have, so that a second one cannot be made. */
export const containerName = (run: string): string => `conveyor-${run}`;

/** The name of the container that clones for a run, beside the run's own. */
export const gitContainerName = (run: string): string => `conveyor-git-${run}`;

/** Whether a container is the one that clones for a run of this owner. */
export function isGitContainer(
  { name, labels }: Pick<ListedContainer, "name" | "labels">,
  owner: string,
  run: string,
): boolean {
  return name === gitContainerName(run) && labels[LABELS.owner] === owner && labels[LABELS.run] === run;
}

/** Of an owner's containers those that count against slots and memory: one that clones works in the place of its build. */
export const takingRoom = (containers: readonly ListedContainer[]): ListedContainer[] =>
  containers.filter(({ name, labels }) => name !== gitContainerName(labels[LABELS.run] ?? ""));

/** Ours is what carries our owner and the name that belongs to its run. An image can carry labels too; it cannot choose a name. */
export function isOurs(
  { name, labels }: Pick<ListedContainer, "name" | "labels">,
  owner: string,
  run: string,
): boolean {
  return name === containerName(run) && labels[LABELS.owner] === owner && labels[LABELS.run] === run;
}

/** The run's container, if there is one and it is ours. */
export async function findContainer(
  docker: Docker,
  { owner, run, signal }: { owner: string; run: string; signal: AbortSignal },
): Promise<ContainerInfo | undefined> {
  const found = await docker.inspect(containerName(run), { signal });
  return found && isOurs(found, owner, run) ? found : undefined;
}

/** What a container or volume of a run says about it. */
export function factsOf(labels: Readonly<Record<string, string>>): RunFacts {
  const { [LABELS.type]: type = "", [LABELS.resource]: name = "" } = labels;
  const { [LABELS.resourceId]: id = "", [LABELS.event]: event = "" } = labels;
  return { type, name, id, event };
}

/** The user of the build's processes, as an exec wants it. */
export function buildUser(container: ContainerInfo): { user: string } {
  return { user: container.labels[LABELS.user] || "0" };
}
