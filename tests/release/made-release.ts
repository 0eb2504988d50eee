import { execFile } from "node:child_process";
import { cp, mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { root } from "../cli/start-program.ts";

const execute = promisify(execFile);

/** Runs a program to its end. Rejects with what it said where it fails. */
export const run = (
  path: string,
  words: readonly string[],
  options: { cwd?: string; env?: Record<string, string | undefined> } = {},
) =>
  execute(path, [...words], {
    maxBuffer: 64 * 1024 * 1024,
    ...options,
    env: { ...process.env, ...options.env },
  });

/**
 * Copies this tree, with what is not committed, into a repository of its own whose one commit is the same
 * wherever it lies. Tools and what was fetched are shared.
 */
export async function copyOfTree(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const { stdout } = await run("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
  });
  for (const name of new Set(stdout.split("\0").filter(Boolean))) {
    // A file that is listed may have been removed.
    await cp(join(root, name), join(folder, name)).catch((error) => {
      if (error.code !== "ENOENT") throw error;
    });
  }
  await run("cp", ["-a", join(root, "node_modules"), join(folder, "node_modules")]);
  await symlink(join(root, ".tools"), join(folder, ".tools"));
  const identity = { name: "Test", email: "test@example.org", date: "2026-01-02T03:04:05Z" };
  const env = {
    GIT_AUTHOR_NAME: identity.name,
    GIT_AUTHOR_EMAIL: identity.email,
    GIT_AUTHOR_DATE: identity.date,
    GIT_COMMITTER_NAME: identity.name,
    GIT_COMMITTER_EMAIL: identity.email,
    GIT_COMMITTER_DATE: identity.date,
  };
  for (const words of [["init", "-q"], ["add", "-A"], ["commit", "-q", "--no-verify", "-m", "all"]]) {
    await run("git", ["-c", "core.excludesFile=", "-c", "commit.gpgSign=false", ...words], {
      cwd: folder,
      env,
    });
  }
}
