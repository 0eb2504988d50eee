import { withoutTrailing } from "../../base/text.ts";
import { hashOf } from "./hash.ts";
import type { BuildPolicy } from "../policy.ts";
import type { Plan } from "../plan.ts";
import type { Saved } from "./volumes.ts";

/** The scope of the default branch, which builds of all other refs may read. */
export const DEFAULT_SCOPE = "default";

/** Whose caches a build reads and writes. */
export interface CacheScopes {
  /** A hash of the repository. */
  readonly project: string;
  /** The scope that the build writes, and reads first. */
  readonly own: string;
}

/**
 * Returns the project and the scope of a build. Both come from what was asked for, never from what the
 * repository or a command in the container says: a build of a stranger's ref could say anything.
 */
export function cacheScopes(
  { spec, repository }: Plan,
  { localCommit }: Pick<BuildPolicy, "localCommit">,
  saved: readonly Pick<Saved, "project" | "branch">[],
): CacheScopes {
  const isLocal = repository.kind === "local";
  const address = isLocal ? repository.path : repository.url.replace(/\.git$/, "");
  const project = hashOf("project", isLocal ? "local" : "remote", withoutTrailing(address, "/"));
  if (spec.cacheScope !== undefined) return { project, own: spec.cacheScope };
  const local = isLocal && localCommit?.repository === repository.path ? localCommit : undefined;
  const ref = local?.ref ?? spec.ref ?? "";
  // A commit that is asked for by its id, or checked out without a branch, can be anybody's.
  if (local && ["", "HEAD"].includes(ref)) return { project, own: `ref:${local.commit}` };
  const short = ref.replace(/^refs\/heads\//, "");
  // A branch can be named HEAD too. Nobody but the user makes branches of a folder, so these names can be
  // relied on there.
  const isDefault = ["", "HEAD"].includes(ref) || (isLocal && ["main", "master"].includes(short));
  // Only a build without a ref can have written which branch that is.
  const branch = saved.find((one) => one.project === project && one.branch !== "")?.branch;
  return { project, own: isDefault || branch === `refs/heads/${short}` ? DEFAULT_SCOPE : `ref:${short}` };
}
