import type { ContainerInfo } from "../../docker/docker.ts";
import { hashOf } from "../cache/hash.ts";
import type { CacheLine } from "../cache/spec.ts";
import type { Plan } from "../plan.ts";
import type { BuildPolicy } from "../policy.ts";
import { signersOf } from "../signatures/signers-of.ts";
import { credentialHosts } from "./git-token.ts";

/** How a mirror's name begins; no cache of a spec can have such a name. */
const PREFIX = "git:";
/**
 * Repositories whose packs take less are not mirrored, KiB: fetching them takes less than looking for them.
 */
export const MIRROR_LEAST_KIB = 8 * 1024;

/** Folders of mirrors in the container. Those filled with an operator's credentials are kept apart. */
const FOLDERS = { open: "/.conveyor-git", withCredentials: "/.conveyor-git-private" };

/** Whether a cache is the mirror of a repository. */
export const isMirror = ({ name }: Pick<CacheLine, "name">): boolean => name.startsWith(PREFIX);

/**
 * Returns the cache in which what was fetched of a plan's repository is kept. Undefined for a local
 * repository, where the operator wants none, and where the commit has to be signed: builds can write a
 * mirror, and git does not hash its objects again. Builds of other users, and with another depth, have one of
 * their own: they could not write it, or would lack history.
 */
export function mirrorOf(plan: Plan, policy: BuildPolicy): CacheLine | undefined {
  const { spec, repository } = plan;
  if (repository.kind === "local" || !policy.gitMirror || signersOf(plan, policy).length > 0) {
    return undefined;
  }
  const isPrivate = credentialHosts(repository).some((host) => host in policy.gitTokens);
  const of = hashOf("mirror", spec.user ?? "", spec.image, String(spec.depth), String(isPrivate));
  return {
    name: `${PREFIX}${of.slice(0, 12)}`,
    path: isPrivate ? FOLDERS.withCredentials : FOLDERS.open,
    fallback: [],
  };
}

/**
 * Returns the folder of the mirror that a clone may use; empty if there is none. A clone with the run's own
 * credentials uses none: runs without them must not read what they fetched.
 */
export function mirrorFolder(
  { volumes }: Pick<ContainerInfo, "volumes">,
  { hasCredentials, hasOwnCredentials }: { hasCredentials: boolean; hasOwnCredentials: boolean },
): string {
  if (hasOwnCredentials) return "";
  const folder = hasCredentials ? FOLDERS.withCredentials : FOLDERS.open;
  return volumes[folder] === undefined ? "" : folder;
}

/** The volume of the mirror with credentials and its folder, for the container that clones with them. */
export function mirrorMounts(
  { volumes }: Pick<ContainerInfo, "volumes">,
): { target: string; name: string }[] {
  const target = FOLDERS.withCredentials;
  const name = volumes[target];
  return name === undefined ? [] : [{ target, name }];
}
