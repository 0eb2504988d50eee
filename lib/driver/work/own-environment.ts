import type { ContainerInfo, Variables } from "../../docker/docker.ts";

/** Folders of a system's programs. */
const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * The environment of our own scripts in a container, with all variables of the image unset. The image's PATH
 * is searched after the system's folders, for images that keep their programs elsewhere.
 */
export function ownEnvironment({ env }: Pick<ContainerInfo, "env">): Variables {
  const cleared: Record<string, string | undefined> = {};
  for (const name of Object.keys(env)) cleared[name] = undefined;
  return { ...cleared, PATH: ownPath(env.PATH), LC_ALL: "C" };
}

/**
 * The system's folders, then the image's. Relative folders are left out: they would be searched in the
 * workspace.
 */
export function ownPath(imagePath = ""): string {
  const known = SYSTEM_PATH.split(":");
  const others = imagePath.split(":").filter((folder) => folder.startsWith("/") && !known.includes(folder));
  return [...known, ...others].join(":");
}

/** Variables that shells and the dynamic loader read before they run a program. */
const STEERS_PROGRAMS =
  /^(?:LD_.*|GLIBC_TUNABLES|GCONV_PATH|LOCPATH|ENV|BASH_.*|BASHOPTS|SHELLOPTS|POSIXLY_CORRECT|PS4|IFS|CDPATH)$/;

/** Returns the variables of an image that could change what the first program of its container does. */
export function steeringVariables(env: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => STEERS_PROGRAMS.test(name)));
}
