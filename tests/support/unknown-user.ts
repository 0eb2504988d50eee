import { spawnSync } from "node:child_process";

/**
 * Words to put before a command, so that it runs as a user whom the system does not know. It keeps the rights
 * of this process's user on files and sockets, but for those of root.
 */
export const AS_UNKNOWN_USER = ["unshare", "--user", "--map-user=54321", "--map-group=54321"];

/** Returns why a process cannot run as another user here. */
export function noUnknownUser(): string | false {
  const [command = "", ...words] = AS_UNKNOWN_USER;
  const { status } = spawnSync(command, [...words, "true"]);
  return status !== 0 && "A process cannot run as a user whom the system does not know (unshare --map-user)";
}
