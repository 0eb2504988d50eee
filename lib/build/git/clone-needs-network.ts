import type { Plan } from "../plan.ts";

/** Whether a clone reaches beyond its container: a local repository is sent into it. */
export function cloneNeedsNetwork({ spec, repository }: Pick<Plan, "spec" | "repository">): boolean {
  return repository.kind !== "local" || spec.submodules || spec.lfs;
}
