import type { ContainerInfo } from "../docker/docker.ts";
import { LABELS } from "./labels.ts";

/**
 * Whether a run's container is kept for inspection after the run. Its label decides: `never`, `failure` or
 * `always`. The operator's settings were checked before the label was written.
 */
export function staysForALook(
  labels: ContainerInfo["labels"],
  { hasFailed }: { hasFailed: boolean },
): boolean {
  const keep = labels[LABELS.keep];
  return keep === "always" || (keep === "failure" && hasFailed);
}
