import { execFileSync, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { once } from "node:events";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { InputError } from "../../lib/base/errors.ts";
import { type PinnedCommit, resolveCommit } from "../../lib/build/git/local/resolve-commit.ts";
import { type LocalSource, openLocalSource } from "../../lib/build/git/local-source.ts";
import { RECEIVE } from "../../lib/build/git/receive-script.ts";
import { sourceStream } from "../../lib/build/git/source-stream.ts";

const env = {
  HOME: "/nonexistent",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  PATH: process.env.PATH ?? "",
};

/** git, without anybody's configuration. */
export function git(folder: string, ...args: string[]): string {
  const who = ["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"];
  return execFileSync("git", ["-C", folder, ...who, ...args], { encoding: "utf8", env, stdio: "pipe" })
    .trim();
}

/** Sends a local repository, and receives it in a folder as the clone script does. Answers its commit. */
export async function receive(
  source: string,
  into: string,
  { ref, from, depth = 1, submodules = false, lfs = false, sparse = [], meanwhile, log = [] }: {
    ref?: string;
    /** Opened already, at a commit of its working tree. */
    from?: { readonly source: LocalSource; readonly pinned: PinnedCommit };
    depth?: number;
    submodules?: boolean;
    lfs?: boolean;
    sparse?: readonly string[];
    /** Gets what the script says. */
    log?: string[];
    meanwhile?: () => void;
  } = {},
): Promise<string> {
  const local = from?.source ?? await openLocalSource(source, { environment: env });
  const pinned = from?.pinned ?? resolveCommit(local, ref);
  if (!pinned) throw new Error(`There is no ref ${ref}`);
  const { signal } = new AbortController();
  mkdirSync(into);
  const script =
    `set -e\n${RECEIVE}\nneed_lfs() { :; }\ncommit=; receive || exit; git checkout --quiet --force \${commit:-HEAD} --`;
  const shell = spawn("sh", ["-c", script], { cwd: into, env, stdio: ["pipe", "pipe", "pipe"] });
  const said: Buffer[] = [];
  shell.stderr.on("data", (chunk) => said.push(chunk));
  const lines = text(shell.stdout);
  const ended = once(shell, "close");
  const what = { pinned, depth, submodules, lfs, sparse, signal };
  const stream = interrupted(sourceStream(local, what), meanwhile);
  const sent = await pipeline(Readable.from(stream), shell.stdin)
    .catch((error) => error);
  const [code] = await ended;
  log.push(...(await lines).split("\n").filter((line) => line !== ""));
  if (sent instanceof InputError) throw sent;
  if (code !== 0) throw new Error(`The script ended with ${code}: ${Buffer.concat(said)}`);
  return pinned.commit;
}

/** Does something once what is sent has been chosen, and before any object is. */
async function* interrupted(
  stream: AsyncIterable<Uint8Array>,
  meanwhile = () => {},
): AsyncGenerator<Uint8Array> {
  let isFirst = true;
  for await (const chunk of stream) {
    yield chunk;
    if (isFirst) meanwhile();
    isFirst = false;
  }
}

/** All objects of a repository, whatever leads to them. */
export function objectsIn(folder: string): string[] {
  const format = "--batch-check=%(objectname)";
  return git(folder, "cat-file", "--batch-all-objects", "--unordered", format).split("\n").sort();
}

/** The objects that a commit reaches. */
export function reachable(folder: string, ...what: string[]): string[] {
  return [...new Set(git(folder, "rev-list", "--objects", "--no-object-names", ...what).split("\n"))].sort();
}
