import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { z } from "zod";
import { isChosen, parseGlobs } from "../../base/glob/glob.ts";
import type { ContainerInfo } from "../../docker/docker.ts";
import { capture } from "../../driver/work/exec.ts";
import { ownEnvironment } from "../../driver/work/own-environment.ts";
import { buildUser } from "../labels.ts";
import type { Plan } from "../plan.ts";
import type { BuildContext } from "../policy.ts";
import { HASH_DIGITS, isUsable, keyPrefix } from "./choose.ts";
import { listCaches } from "./prepare.ts";
import type { CacheLine } from "./spec.ts";

/** `data.caches` of the builder: the whole keys of caches whose keys depend on files. */
export const CacheKeys = z.object({ caches: z.record(z.string(), z.string()) });

/** Lists the files of a checkout, each name ended by a NUL. */
const LIST = `find . -name .git -prune -o -type f -print0`;
/** Prints a checksum for each file that is named on its input. */
const SUM = `xargs -0 sha256sum --`;
/** Images without `find` have `rm`, which misses no name but `..`. */
const EMPTY = `find "$1" -mindepth 1 -delete 2>/dev/null || rm -rf -- "$1"/* "$1"/.[!.]* "$1"/..?*`;

/**
 * Finds the whole key of each cache whose key depends on files. A cache that was saved with another key, which
 * no fallback key allows, is emptied. If the files cannot be read in this image, the cache is emptied too.
 */
export async function matchKeys(
  context: BuildContext,
  container: ContainerInfo,
  plan: Plan,
): Promise<Record<string, string>> {
  const lines = plan.spec.cache.filter(({ key }) => typeof key === "object");
  if (lines.length === 0) return {};
  const { saved, layers } = await listCaches(context, context.signal);
  const own = [...layers.values()].filter(({ run }) => run === context.run);
  const keys: Record<string, string> = {};
  for (const line of lines) {
    const hash = await hashFiles(context, container, plan, line);
    if (hash !== undefined) keys[line.name] = `${keyPrefix(line)}-${hash}`;
    const key = keys[line.name] ?? "";
    const layer = own.find(({ name }) => name === line.name);
    const base = saved.find(({ volume }) => volume.name === layer?.base);
    if (hash === undefined) {
      await context.log.line(`Cache ${line.name}: its files cannot be read in this image, so it stays empty`);
    } else if (base === undefined || isUsable(line, key, base.key)) continue;
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

async function hashFiles(
  context: BuildContext,
  container: ContainerInfo,
  { workdir }: Plan,
  { key }: CacheLine,
): Promise<string | undefined> {
  if (typeof key !== "object") return undefined;
  const globs = parseGlobs(key.files, { isExact: true });
  const inside = { env: ownEnvironment(container), workdir, ...buildUser(container) };
  const listed = await capture(context, container.id, { ...inside, command: ["/bin/sh", "-c", LIST] });
  if (listed.exitCode !== 0 || listed.isCut) return undefined;
  const names = listed.stdout.split("\0").map((name) => name.replace(/^\.\//, ""))
    .filter((name) => name !== "" && isChosen(globs, name)).sort();
  if (names.length === 0) return hashOf("");
  const summed = await capture(context, container.id, {
    ...inside,
    command: ["/bin/sh", "-c", SUM],
    stdin: bytesOf(names.map((name) => `${name}\0`).join("")),
  });
  return summed.exitCode === 0 && !summed.isCut ? hashOf(summed.stdout) : undefined;
}

const hashOf = (text: string): string =>
  createHash("sha256").update(text).digest("hex").slice(0, HASH_DIGITS);

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
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
