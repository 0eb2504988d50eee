import { spawnSync } from "node:child_process";
import { getuid } from "node:process";

/**
 * Returns the words to put before a command, so that a shell line is run before it whose mounts nobody else
 * sees and which are gone with it. The line finds `values` in `$1`, `$2` and so on.
 */
export function withOwnMounts(line: string, ...values: string[]): string[] {
  return [
    "unshare",
    "--mount",
    ...(getuid?.() === 0 ? [] : ["--map-root-user"]),
    "sh",
    "-ec",
    `${line}; shift ${values.length}; exec "$@"`,
    "sh",
    ...values,
  ];
}

/** Returns why a process cannot have mounts of its own here. */
export function noOwnMounts(): string | false {
  const [command = "", ...words] = withOwnMounts('mount -t tmpfs tmpfs "$1"', "/mnt");
  const { status, error, stderr } = spawnSync(command, [...words, "true"], { encoding: "utf8" });
  if (status === 0) return false;
  const why = error ? "there is no unshare on PATH" : stderr.trim().split("\n")[0];
  return `A process can have no mounts of its own (as root, or in a user namespace): ${why}`;
}
