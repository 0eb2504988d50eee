import { readFileSync } from "node:fs";
import { join } from "node:path";

/** What the programs are made of. */
export interface Facts {
  readonly version: string;
  /**
   * Twelve hexadecimal digits, with `-dirty` where the tree has other content; undefined outside a git
   * repository.
   */
  readonly commit: string | undefined;
  /** Of the commit, in seconds; 0 where there is none. Files of a release have this time. */
  readonly time: number;
}

export function factsOf(root: string): Facts {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const commit = git(root, "rev-parse", "--short=12", "HEAD");
  if (commit === undefined) return { version, commit: undefined, time: 0 };
  const isDirty = git(root, "status", "--porcelain") !== "";
  return {
    version,
    commit: isDirty ? `${commit}-dirty` : commit,
    time: Number(git(root, "log", "-1", "--format=%ct") ?? 0),
  };
}

/**
 * What git prints; undefined where it fails, or where the folder is only part of somebody else's repository.
 */
function git(root: string, ...words: string[]): string | undefined {
  try {
    const { exitCode, stdout } = Bun.spawnSync(["git", "-C", root, ...words], {
      env: { ...process.env, GIT_CEILING_DIRECTORIES: join(root, "..") },
      stderr: "ignore",
    });
    return exitCode === 0 ? stdout.toString().trim() : undefined;
  } catch {
    return undefined; // There is no git.
  }
}
