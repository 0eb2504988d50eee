import { parseOwnJson } from "../../base/json.ts";
import { createHash } from "node:crypto";
import type { RunFacts } from "./run-state.ts";
import type { ContainerInfo, Docker, ListedContainer } from "../../docker/docker.ts";

/** Labels by which our containers, volumes and networks are found. Values are texts. */
export const LABELS = {
  owner: "conveyor.owner",
  run: "conveyor.run",
  resource: "conveyor.resource",
  /** The resource's type and id, and the event that the container was made for: used to ask about the run. */
  type: "conveyor.type",
  resourceId: "conveyor.resource-id",
  event: "conveyor.event",
  /** The user of the build's processes; empty for root. The container's first process always runs as root. */
  user: "conveyor.user",
  /** The memory limit of a build's container and its services together, bytes. */
  memory: "conveyor.memory",
  /**
   * Milliseconds since the epoch in the daemon's clock: after this, no instance that knows the run is
   * expected to be alive.
   */
  expires: "conveyor.expires",
  /**
   * On a volume: the id of a container that is about to start and must be counted although it does not run
   * yet.
   */
  starts: "conveyor.starts",
  /**
   * The spec's `keep`; always written, because an image can carry labels too. No sweep removes a kept
   * container before it expires.
   */
  keep: "conveyor.keep",
  /** The purpose of a container beside the build's own: `git`, `service`. Such a container takes no slot. */
  kind: "conveyor.kind",
  /**
   * Variables of the image that are unset in the container and passed to the build's commands: a JSON object.
   */
  env: "conveyor.env",
} as const;

const NAME_BYTES = 16;

/**
 * The name of a run's container once its build has begun. Containers on the shared bridge can look up each
 * other's names, so the name is a hash and does not reveal the run.
 */
export function containerName(run: string): string {
  return `conveyor-${createHash("sha256").update(run).digest("hex").slice(0, 2 * NAME_BYTES)}`;
}

/**
 * The name of a run's container before its build begins; Docker refuses a second container of that name. Only
 * the name records that a build has begun, because the build cannot change it.
 */
export const idleName = (run: string): string => `${containerName(run)}-idle`;

/** The labels of everything that belongs to a run. */
export const runLabels = (owner: string, run: string) => ({ [LABELS.owner]: owner, [LABELS.run]: run });

/** The name of the run's second container, which clones its repository. */
export const gitContainerName = (run: string): string => `${containerName(run)}-git`;

/** The beginning of the names of the run's services. */
const servicePrefix = (run: string): string => `${containerName(run)}-service-`;

/** The name of the container of a run's service. */
export const serviceName = (run: string, service: string): string => `${servicePrefix(run)}${service}`;

/** Whether a container is that of a service of this owner's run. */
export function isService(
  { name, labels }: Pick<ListedContainer, "name" | "labels">,
  owner: string,
  run: string,
): boolean {
  return name.startsWith(servicePrefix(run)) && labels[LABELS.owner] === owner &&
    labels[LABELS.run] === run;
}

/** The name of the volume that announces the start of a container. */
export const announcementName = (container: string): string => `conveyor-starts-${container.slice(0, 16)}`;

/** Whether a volume announces the start of a container; such a volume holds no data. */
export function isAnnouncement({ name, labels }: Pick<ListedContainer, "name" | "labels">): boolean {
  return name === announcementName(labels[LABELS.starts] ?? "");
}

/**
 * Whether a volume is the unnamed one that Docker made with a build's container. Once that container is gone,
 * only its labels and a name of the kind that Docker gives say so.
 */
export function isWorkspace(
  { name, labels }: Pick<ListedContainer, "name" | "labels">,
  owner: string,
): boolean {
  return /^[0-9a-f]{64}$/.test(name) && labels[LABELS.owner] === owner && LABELS.run in labels &&
    labels[LABELS.kind] === "build";
}

/** Whether a container is the one that clones for this owner's run. */
export function isGitContainer(
  { name, labels }: Pick<ListedContainer, "name" | "labels">,
  owner: string,
  run: string,
): boolean {
  return name === gitContainerName(run) && labels[LABELS.owner] === owner && labels[LABELS.run] === run;
}

/**
 * The containers that count against slots and memory: all but those that clone, and services, whose memory is
 * part of what their build's container counts.
 */
export const takingRoom = (containers: readonly ListedContainer[]): ListedContainer[] =>
  containers.filter(({ name, labels: { [LABELS.run]: run = "" } }) =>
    name !== gitContainerName(run) && !name.startsWith(servicePrefix(run))
  );

/**
 * Returns whether a container has our owner label and a name of its run. The name is checked because an image
 * can carry labels, but cannot choose a name.
 */
export function isOurs(
  { name, labels }: Pick<ListedContainer, "name" | "labels">,
  owner: string,
  run: string,
): boolean {
  const isNamed = name === containerName(run) || name === idleName(run);
  return isNamed && labels[LABELS.owner] === owner && labels[LABELS.run] === run;
}

/** Returns the run's container; undefined if there is none of ours. */
export async function findContainer(
  docker: Docker,
  owned: { owner: string; run: string; signal: AbortSignal },
): Promise<ContainerInfo | undefined> {
  return (await findContainers(docker, owned))[0];
}

/**
 * Returns the run's containers, first the one whose build has begun. There may be two if an attempt that was
 * thought lost has made another.
 */
export async function findContainers(
  docker: Docker,
  { owner, run, signal }: { owner: string; run: string; signal: AbortSignal },
): Promise<ContainerInfo[]> {
  const inspected = (name: string) => docker.inspect(name, { signal });
  const [idle, early] = await Promise.all([inspected(idleName(run)), inspected(containerName(run))]);
  // A container that was renamed meanwhile has the second name now.
  const begun = idle || early ? early : await inspected(containerName(run));
  const found = [begun, idle?.id === begun?.id ? undefined : idle];
  return found.filter((one) => one !== undefined).filter((one) => isOurs(one, owner, run));
}

/** Variables of the image that build commands get and the container itself does not. */
export function withheldVariables({ labels }: ContainerInfo): Record<string, string> {
  return parseOwnJson(labels[LABELS.env] ?? "{}");
}

/** Reads the facts about a run from the labels of its container or volume. */
export function factsOf(labels: Readonly<Record<string, string>>): RunFacts {
  const { [LABELS.type]: type = "", [LABELS.resource]: name = "" } = labels;
  const { [LABELS.resourceId]: id = "", [LABELS.event]: event = "" } = labels;
  return { type, name, id, event };
}

/** The user of the build's processes, as an exec option. */
export function buildUser(container: ContainerInfo): { user: string } {
  return { user: container.labels[LABELS.user] || "0" };
}
