import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";

/** Returns why no disk can be made here; false if one can. */
export function noSmallDisk(): string | false {
  if (process.platform !== "linux") return "Only Linux has disks in memory that can be mounted";
  return process.getuid?.() === 0 ? false : "Only root can mount a disk";
}

/** Mounts a disk in memory of this size (`40m`) on a new folder. Dispose unmounts it. */
export function mountSmallDisk(folder: string, size: string): { grow(size: string): void } & Disposable {
  mkdirSync(folder);
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size},mode=0700`, "tmpfs", folder]);
  return {
    grow: (size) => void execFileSync("mount", ["-o", `remount,size=${size}`, folder]),
    [Symbol.dispose]: () => void execFileSync("umount", ["-l", folder]),
  };
}
