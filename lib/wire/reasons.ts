/**
 * Why a step or a run did not succeed: the closed set of words that stand in `data.reason` of a DriverResult and in
 * `reason` of a run's end. Scripts may rely on them; words are added, never changed.
 */
export const REASONS = [
  /** A user's command ended with another exit code than 0. */
  "command-failed",
  /** git could not clone or check out. */
  "clone-failed",
  /** The repository has no such branch, tag or commit. */
  "ref-not-found",
  /** The repository answered that it wants (other) credentials, or that it does not exist. */
  "repository-not-found",
  /** The image does not exist, here or in its registry. */
  "image-not-found",
  /** The image exists or may exist, but could not be pulled. */
  "image-pull-failed",
  /** The image lacks what a step needs: a shell, git. */
  "image-unusable",
  /** The container could not be created, started or kept running. */
  "container-failed",
  /** The step's container is not there, or is not ours. */
  "container-lost",
  /** A declared artifact matched nothing, or could not be kept. */
  "artifact-failed",
  "out-of-memory",
  "disk-full",
  "pids-exhausted",
  /** The run or a step took longer than its limit. */
  "timeout",
  "cancelled",
  /** Docker could not be reached, or went away and did not come back in time. */
  "docker-unreachable",
  /** The broker or the control plane could not be reached for too long. */
  "transport-unreachable",
  /** The spec is not valid, or asks for what the operator does not allow. */
  "invalid-spec",
  /** The event could not be understood. */
  "invalid-event",
  /** The driver's process ended in the middle of work that must not be done twice. */
  "driver-lost",
  /** A resource came without a pipeline, or its pipeline has no steps. */
  "no-pipeline",
  /** A driver threw what it should not have: a defect in the driver. */
  "driver-error",
  /** The program that the run was typed into failed in a way that nobody expected. */
  "defect",
  /** A driver answered `success: false` and gave no reason. */
  "step-failed",
] as const;

export type Reason = (typeof REASONS)[number];

/** The reason in a result's data if it is one of ours, else `step-failed`. */
export function reasonOf(data: unknown): Reason {
  const word = typeof data === "object" && data !== null && "reason" in data ? data.reason : undefined;
  return REASONS.find((reason) => reason === word) ?? "step-failed";
}
