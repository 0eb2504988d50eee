import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** The name of a content in Git LFS. */
export const oidOf = (content: string): string => createHash("sha256").update(content).digest("hex");

/** Returns the pointer that Git LFS commits in place of a content. */
export const lfsPointer = (content: string): string =>
  `version https://git-lfs.github.com/spec/v1\noid sha256:${oidOf(content)}\nsize ${
    Buffer.byteLength(content)
  }\n`;

/** Returns where Git LFS keeps a content, below a repository's git folder. */
export function lfsPath(content: string): string {
  const oid = oidOf(content);
  return join("lfs/objects", oid.slice(0, 2), oid.slice(2, 4), oid);
}

/** Puts a content where Git LFS keeps it. `as`: what the file has instead. Returns its path. */
export function storeLfs(gitFolder: string, content: string, as = content): string {
  const path = join(gitFolder, lfsPath(content));
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, as);
  return path;
}
