import type { ContainerInfo, Variables } from "../../docker/docker.ts";

/** Where the programs of a system lie. */
const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * The environment of our own scripts in a container: nothing of what its image or a build has set reaches them. The image's PATH
 * is searched after the system's folders, for images that keep their programs elsewhere.
 */
export function ownEnvironment({ env }: Pick<ContainerInfo, "env">): Variables {
  const cleared: Record<string, string | undefined> = {};
  for (const name of Object.keys(env)) cleared[name] = undefined;
  return { ...cleared, PATH: ownPath(env.PATH), LC_ALL: "C" };
}

/** A relative entry of the image's PATH would be looked for in the workspace. */
export function ownPath(imagePath = ""): string {
  const known = SYSTEM_PATH.split(":");
  const others = imagePath.split(":").filter((folder) => folder.startsWith("/") && !known.includes(folder));
  return [...known, ...others].join(":");
}

/** What shells and the loader of programs read before they do what they are told. */
const STEERS_PROGRAMS =
  /^(?:LD_.*|GLIBC_TUNABLES|GCONV_PATH|LOCPATH|ENV|BASH_.*|BASHOPTS|SHELLOPTS|POSIXLY_CORRECT|PS4|IFS|CDPATH)$/;

/** The variables of an image under which the first program of its container may not do what it is told. */
export function steeringVariables(env: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => STEERS_PROGRAMS.test(name)));
}
