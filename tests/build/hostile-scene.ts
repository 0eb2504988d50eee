import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { InputError, messageOf, UnavailableError } from "../../lib/base/errors.ts";
import { openLocalSource } from "../../lib/build/git/local-source.ts";
import { resolveCommit } from "../../lib/build/git/local/resolve-commit.ts";
import { sourceStream } from "../../lib/build/git/source-stream.ts";
import { snapshotWorkTree } from "../../lib/cli/shared/request/uncommitted.ts";
import { git } from "./received.ts";

/**
 * What an attacker wants: a repository, a key and a folder of the user's, beside the repository that is
 * built.
 */
export interface Scene {
  readonly top: string;
  readonly app: string;
  readonly dotGit: string;
  readonly private: string;
}

/** Made by the first scene and copied for each, which is quicker than a dozen processes. */
const template: { path?: string } = {};

/** Removes what the scenes were copied from. Each file calls it after its tests. */
export function removeTemplate(): void {
  if (template.path !== undefined) rmSync(template.path, { recursive: true, force: true });
  delete template.path;
}

function makeTemplate(): string {
  const top = mkdtempSync(join(tmpdir(), "hostile-"));
  for (const name of ["app", "private"]) {
    git(top, "init", "-q", "--template=", name);
    writeFileSync(join(top, name, "f"), name);
    git(join(top, name), "add", ".");
    git(join(top, name), "commit", "-qm", name);
  }
  git(join(top, "app"), "tag", "v1");
  return top;
}

export async function inScene(work: (scene: Scene) => Promise<void> | void): Promise<void> {
  const top = mkdtempSync(join(tmpdir(), "hostile-"));
  try {
    cpSync(template.path ??= makeTemplate(), top, { recursive: true });
    const app = join(top, "app");
    await work({ top, app, dotGit: join(app, ".git"), private: join(top, "private") });
  } finally {
    rmSync(top, { recursive: true, force: true });
  }
}

/** Everything that a build reads of a repository. */
export async function readAll(
  path: string,
  environment: Record<string, string> = {},
  ref?: string,
): Promise<Buffer> {
  const source = await openLocalSource(path, { environment });
  const pinned = resolveCommit(source, ref);
  snapshotWorkTree(source);
  if (!pinned) throw new InputError("There is no such ref");
  const { signal } = new AbortController();
  const chunks: Uint8Array[] = [];
  for await (const chunk of sourceStream(source, { pinned, depth: 0, signal })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export function refusal(message: RegExp) {
  return (error: Error) => {
    assert.ok(error instanceof InputError || error instanceof UnavailableError, String(error.stack));
    assert.match(messageOf(error), message);
    return true;
  };
}

export const link = (target: string, path: string) => {
  rmSync(path, { recursive: true, force: true });
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(target, path);
};
export const fifo = (path: string) => {
  rmSync(path, { recursive: true, force: true });
  mkdirSync(dirname(path), { recursive: true });
  execFileSync("mkfifo", [path]);
};
