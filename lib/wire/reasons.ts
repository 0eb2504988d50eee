/**
 * Why a step or a run did not succeed: the closed set of words for `data.reason` of a DriverResult and
 * `reason` of a run's end, with their meanings. Scripts may rely on them; words are added, never changed.
 */
export const REASON_TEXTS = {
  "command-failed": "A user's command ended with another exit code than 0.",
  "clone-failed": "git could not clone or check out.",
  "ref-not-found": "The repository has no such branch, tag or commit.",
  "repository-not-found":
    "The repository answered that it wants (other) credentials, or that it does not exist.",
  "not-signed": "The commit is not signed by one of the keys that the build or the operator accepts.",
  "image-not-found": "The image does not exist, here or in its registry.",
  "image-pull-failed": "The image exists or may exist, but could not be pulled.",
  "image-unusable": "The image lacks what a step needs: a shell, git.",
  "container-failed": "The container could not be created, started or kept running.",
  "service-failed": "A service beside the build could not be started, ended, or was not healthy in time.",
  "container-lost": "The step's container is not there, or is not ours.",
  "artifact-failed": "A declared artifact matched nothing, or could not be kept.",
  "out-of-memory": "The kernel killed a process of the build because its container had no memory left.",
  "disk-full": "A file system of the build, or the log or artifact store, is full.",
  "pids-exhausted": "The container has reached its limit of processes and threads.",
  "timeout": "The run or a step took longer than its limit.",
  "cancelled": "Somebody cancelled the run.",
  "docker-unreachable": "Docker could not be reached, or went away and did not come back in time.",
  "transport-unreachable": "The broker or the control plane could not be reached for too long.",
  "invalid-spec": "The spec is not valid, or asks for what the operator does not allow.",
  "invalid-event": "The event could not be understood.",
  "driver-lost": "The driver's process ended in the middle of work that must not be done twice.",
  "no-pipeline": "A resource came without a pipeline, or its pipeline has no steps.",
  "driver-error": "A driver threw what it should not have: a defect in the driver.",
  "defect": "The program that the run was typed into failed in a way that nobody expected.",
  "step-failed": "A driver answered `success: false` and gave no reason.",
} as const;

export type Reason = keyof typeof REASON_TEXTS;

export const REASONS = Object.keys(REASON_TEXTS) as readonly Reason[];

/** Returns the reason in a result's data if it is one of ours, else `step-failed`. */
export function reasonOf(data: unknown): Reason {
  const word = typeof data === "object" && data !== null && "reason" in data ? data.reason : undefined;
  return REASONS.find((reason) => reason === word) ?? "step-failed";
}
