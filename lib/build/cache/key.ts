import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { z } from "zod";
import { isChosen, parseGlobs } from "../../base/glob/glob.ts";
import type { ContainerInfo } from "../../docker/docker.ts";
import { eachText } from "../../driver/work/each-text.ts";
import { capture, exec } from "../../driver/work/exec.ts";
import { ownEnvironment } from "../../driver/work/own-environment.ts";
import { buildUser } from "../labels.ts";
import type { Plan } from "../plan.ts";
import type { BuildContext } from "../policy.ts";
import { isUsable, keyPrefix } from "./choose.ts";
import { shortDigest } from "./hash.ts";
import { listCaches } from "./prepare.ts";
import type { CacheLine } from "./spec.ts";

/** `data.caches` of the builder: the whole keys of caches whose keys depend on files. */
export const CacheKeys = z.object({ caches: z.record(z.string(), z.string()) });

/** Lists the files of a checkout, each name ended by a NUL. */
const LIST = `find . -name .git -prune -o -type f -print0`;
/** Prints a checksum for each file that is named on its input. */
const SUM = `xargs -0 sha256sum --`;
/** Names of the files that count for a key, bytes together: some hundred thousand files. */
const MOST_NAMES_BYTES = 32 * 1024 * 1024;
const UNREADABLE = "its files cannot be read in this image";
/** Images without `find` have `rm`, which misses no name but `..`. */
const EMPTY = `find "$1" -mindepth 1 -delete 2>/dev/null || rm -rf -- "$1"/* "$1"/.[!.]* "$1"/..?*`;

/**
 * Finds the whole key of each cache whose key depends on files. A cache that was saved with another key,
 * which no fallback key allows, is emptied. If the files cannot be read in this image, the cache is emptied
 * too.
 */
export async function matchKeys(
  context: BuildContext,
  container: ContainerInfo,
  plan: Plan,
): Promise<Record<string, string>> {
  const lines = plan.spec.cache.flatMap(({ key, ...line }) =>
    typeof key === "object" ? [{ ...line, key }] : []
  );
  if (lines.length === 0) return {};
  const { saved, layers } = await listCaches(context, context.signal);
  const own = [...layers.values()].filter(({ run }) => run === context.run);
  const keys: Record<string, string> = {};
  for (const line of lines) {
    const found = await hashFiles(context, container, plan, line.key.files);
    if ("hash" in found) keys[line.name] = `${keyPrefix(line)}-${found.hash}`;
    if ("isOfNothing" in found) {
      const globs = line.key.files.map((glob) => `"${glob}"`).join(", ");
      await context.log.line(`Cache ${line.name}: no file matches its key's ${globs}`);
    }
    const key = keys[line.name] ?? "";
    const layer = own.find(({ name }) => name === line.name);
    const base = saved.find(({ volume }) => volume.name === layer?.base);
    if ("why" in found) await context.log.line(`Cache ${line.name}: ${found.why}, so it stays empty`);
    else if (base === undefined || isUsable(line, key, base.key)) continue;
    else {await context.log.line(
        `Cache ${line.name}: empty, the saved one belongs to ${base.key}, not ${key}`,
      );}
    if (await empty(context, container, line)) continue;
    delete keys[line.name];
    await context.log.line(
      `Cache ${line.name}: cannot be emptied in this image, so it has what belongs to another key, and is not saved`,
    );
  }
  return keys;
}

/** Returns the hash of the files that a key names, or the words for why there is none. */
async function hashFiles(
  context: BuildContext,
  container: ContainerInfo,
  { workdir }: Plan,
  files: readonly string[],
): Promise<{ readonly hash: string; readonly isOfNothing?: true } | { readonly why: string }> {
  const globs = parseGlobs(files, { isExact: true });
  const inside = { env: ownEnvironment(container), workdir, ...buildUser(container) };
  const names: string[] = [];
  let size = 0;
  const listed = await eachText(
    context,
    container.id,
    { ...inside, command: ["/bin/sh", "-c", LIST] },
    {
      end: "\0",
      take: (path) => {
        const name = path.replace(/^\.\//, "");
        if (name === "" || size > MOST_NAMES_BYTES || !isChosen(globs, name)) return;
        names.push(name);
        size += Buffer.byteLength(name) + 1;
      },
    },
  );
  if (listed.exitCode !== 0 || listed.isCut) return { why: UNREADABLE };
  if (size > MOST_NAMES_BYTES) {
    return { why: `its key's globs choose more files than can be counted (${names.length} and more)` };
  }
  const hash = createHash("sha256");
  if (names.length === 0) return { hash: shortDigest(hash), isOfNothing: true };
  const exitCode = await exec(context, container.id, {
    ...inside,
    command: ["/bin/sh", "-c", SUM],
    stdin: inParts(names.sort()),
    intercept: ({ stream, data }) => {
      if (stream === "stdout") hash.update(data);
      return true;
    },
  });
  return exitCode === 0 ? { hash: shortDigest(hash) } : { why: UNREADABLE };
}

/** Yields the names, each ended by a NUL, a thousand at a time. */
async function* inParts(names: readonly string[]): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < names.length; i += 1000) {
    yield Buffer.from(names.slice(i, i + 1000).map((name) => `${name}\0`).join(""));
  }
}

/** Returns false if the folder could not be emptied. */
async function empty(
  context: BuildContext,
  container: ContainerInfo,
  { path }: CacheLine,
): Promise<boolean> {
  const { exitCode } = await capture(context, container.id, {
    command: ["/bin/sh", "-c", EMPTY, "sh", path],
    user: "0",
    workdir: "/",
    env: ownEnvironment(container),
  });
  return exitCode === 0;
}
