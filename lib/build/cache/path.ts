import { InputError } from "../../base/errors.ts";

/** Folders that a cache may not be, nor lie in: the container, its tools or the build itself live there. */
const TREES = [
  "/bin",
  "/boot",
  "/dev",
  "/etc",
  "/lib",
  "/lib32",
  "/lib64",
  "/libx32",
  "/proc",
  "/run",
  "/sbin",
  "/sys",
  "/usr/bin",
  "/usr/lib",
  "/usr/lib32",
  "/usr/lib64",
  "/usr/libexec",
  "/usr/libx32",
  "/usr/local/bin",
  "/usr/local/sbin",
  "/usr/sbin",
  "/var/run",
  "/workspace",
];
/** Folders that a cache may lie in, but not be: it would hide all that the image has there. */
const PARENTS = [
  "/home",
  "/media",
  "/mnt",
  "/opt",
  "/root",
  "/srv",
  "/tmp",
  "/usr",
  "/usr/local",
  "/usr/local/lib",
  "/usr/local/share",
  "/usr/share",
  "/var",
  "/var/cache",
  "/var/lib",
  "/var/tmp",
];
const LONGEST = 512;

/** Returns the path of a cache in the container, without doubled slashes. Throws InputError. */
export function cachePath(text: string): string {
  const refuse = (why: string) => new InputError(`Invalid path ${JSON.stringify(text)}: ${why}`);
  if (!text.startsWith("/")) {
    throw refuse("expected an absolute folder of the container, like /var/cache/ccache");
  }
  if (text.length > LONGEST) throw refuse(`expected ${LONGEST} characters at most`);
  if (!/^[\w./@+-]+$/.test(text)) {
    throw refuse("expected letters, digits and . _ / @ + - only");
  }
  const names = text.split("/").filter((name) => name !== "");
  if (names.some((name) => name === "." || name === "..")) {
    throw refuse('expected a path without "." and ".."');
  }
  const path = `/${names.join("/")}`;
  if (path === "/workspace" || path.startsWith("/workspace/")) {
    throw refuse(
      "the workspace is empty before the clone; expected a folder outside of it, to which the build's tool is pointed by a variable or flag",
    );
  }
  // The drivers' own folders: the one of each container, and those of git mirrors and copied caches.
  if (names[0]?.startsWith(".conveyor")) {
    throw refuse('expected a folder whose name does not begin with ".conveyor"');
  }
  if (names.length === 0 || PARENTS.includes(path)) throw refuse("expected a folder below it");
  const tree = TREES.find((tree) => path === tree || path.startsWith(`${tree}/`));
  if (tree !== undefined) throw refuse(`expected a folder outside of ${tree}`);
  return path;
}
