import { parseOwnJson } from "../../base/json.ts";
import { createHash } from "node:crypto";
import type { RunFacts } from "./run-state.ts";
import type { ContainerInfo, Docker, ListedContainer } from "../../docker/docker.ts";

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
  /** Variables of the image that the container itself does without and the build's commands get: a JSON object. */
  env: "conveyor.env",
} as const;

const NAME_BYTES = 16;

/**
 * The name of a run's container from the moment its build begins. Every container on the shared bridge can ask for the names of
 * the others: this one does not tell the run.
 */
export function containerName(run: string): string {
  return `conveyor-${createHash("sha256").update(run).digest("hex").slice(0, 2 * NAME_BYTES)}`;
}

/**
 * The one name that a run's container can have before that, so that a second one cannot be made. That a build has begun shows in
 * the name alone, which the daemon keeps out of the build's reach.
 */
export const idleName = (run: string): string => `${containerName(run)}-idle`;

/** The labels of everything that belongs to a run. */
export const runLabels = (owner: string, run: string) => ({ [LABELS.owner]: owner, [LABELS.run]: run });

/** The name of the container that clones for a run, beside the run's own. */
export const gitContainerName = (run: string): string => `${containerName(run)}-git`;

/** The name of the volume that announces the start of a container. */
export const announcementName = (container: string): string => `conveyor-starts-${container.slice(0, 16)}`;

/** Whether a volume is such an announcement: it holds nothing. */
export function isAnnouncement({ name, labels }: Pick<ListedContainer, "name" | "labels">): boolean {
  return name === announcementName(labels[LABELS.starts] ?? "");
}

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

/** Ours is what carries our owner and a name that belongs to its run. An image can carry labels too; it cannot choose a name. */
export function isOurs(
  { name, labels }: Pick<ListedContainer, "name" | "labels">,
  owner: string,
  run: string,
): boolean {
  const isNamed = name === containerName(run) || name === idleName(run);
  return isNamed && labels[LABELS.owner] === owner && labels[LABELS.run] === run;
}

/** The run's container, if there is one and it is ours. */
export async function findContainer(
  docker: Docker,
  owned: { owner: string; run: string; signal: AbortSignal },
): Promise<ContainerInfo | undefined> {
  return (await findContainers(docker, owned))[0];
}

/** As `findContainer`, the one whose build has begun first; an attempt that was thought lost may have made another. */
export async function findContainers(
  docker: Docker,
  { owner, run, signal }: { owner: string; run: string; signal: AbortSignal },
): Promise<ContainerInfo[]> {
  // In this order, so that one that gets its other name meanwhile is not missed.
  const idle = await docker.inspect(idleName(run), { signal });
  const begun = await docker.inspect(containerName(run), { signal });
  const found = [begun, idle?.id === begun?.id ? undefined : idle];
  return found.filter((one) => one !== undefined).filter((one) => isOurs(one, owner, run));
}

/** What a build's commands get of their image beside what their container has. */
export function withheldVariables({ labels }: ContainerInfo): Record<string, string> {
  return parseOwnJson(labels[LABELS.env] ?? "{}");
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
