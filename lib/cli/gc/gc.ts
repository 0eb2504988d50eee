import { openEmbedded } from "../../backend/embedded/embedded.ts";
import { lstatIfThere } from "../../base/files.ts";
import type { LogLevel } from "../../driver/program/command-line/command.ts";
import { type CacheUse, describeCache, evictCaches } from "../../build/cache/evict.ts";
import { CACHE_LIMITS, cacheLimits } from "../../build/cache/limits.ts";
import { formatSize } from "../../base/units.ts";
import { readPolicy } from "../../driver/program/policy-flags.ts";
import { environment } from "../../driver/program/command-line/environment.ts";
import { startProcessLog } from "../../driver/program/command-line/process-log.ts";
import { dataFolder } from "../../driver/program/data-folder.ts";
import { reachDocker } from "../../driver/program/reach-docker.ts";
import { startEngine } from "../../engine/shell/start.ts";
import { cleanData } from "../shared/clean-data.ts";

export interface GcOptions {
  readonly dryRun?: boolean | undefined;
  readonly docker?: string | undefined;
  readonly data?: string | undefined;
  readonly json?: boolean | undefined;
  readonly logLevel: LogLevel;
  readonly logFormat: "text" | "json";
}

const TEXTS = {
  run: { done: "Ended run", dry: "Would end run" },
  container: { done: "Removed container", dry: "Would remove container" },
  cache: { done: "Removed cache", dry: "Would remove cache" },
} as const;

/** Removes what no live run owns, and says what. Throws UnavailableError. */
export async function gc(options: GcOptions): Promise<void> {
  startProcessLog({
    level: options.logLevel,
    format: options.logFormat,
    write: (line) => process.stderr.write(line),
    withoutOutcomesOf: ["driver", "engine"],
  });
  const folder = dataFolder(options.data, environment);
  const dryRun = options.dryRun === true;
  const limits = cacheLimits(await readPolicy(CACHE_LIMITS, options));
  const say = (what: keyof typeof TEXTS, name: string) => {
    const text = TEXTS[what][dryRun ? "dry" : "done"];
    process.stdout.write(
      options.json ? `${JSON.stringify({ type: what, name, dryRun })}\n` : `${text} ${name}\n`,
    );
  };
  if (!lstatIfThere(folder)) return nothing(options);
  await using embedded = await openEmbedded({ folder, scope: "gc" });
  const { transport, store, sealKey } = embedded;
  await using engine = await startEngine({ transport, store, sealKey });
  const stopping = new AbortController();
  await using docker = reachDocker({ endpoint: options.docker, environment, signal: stopping.signal });
  const reached = (await docker.answer).docker;
  const { ended, removed } = await cleanData({
    embedded,
    engine,
    docker: reached,
    signal: stopping.signal,
    dryRun,
  });
  for (const run of ended) say("run", run);
  for (const name of removed) say("container", name);
  const caches = await evictCaches(reached, limits, {
    owner: embedded.owner,
    signal: stopping.signal,
    dryRun,
  });
  for (const { saved } of caches.evicted) say("cache", describeCache(saved));
  if (ended.length + removed.length + caches.evicted.length === 0) nothing(options);
  for (const use of caches.kept) sayKept(use, options);
}

function sayKept({ saved, bytes = 0 }: CacheUse, { json }: GcOptions): void {
  const { name, repository, scope, key, usedAt } = saved;
  const facts = { name, repository, scope, key, bytes, used: new Date(usedAt).toISOString() };
  process.stdout.write(
    json
      ? `${JSON.stringify({ type: "kept-cache", ...facts })}\n`
      : `Kept cache ${describeCache(saved)}, ${formatSize(bytes)}, last used ${facts.used}\n`,
  );
}

function nothing({ json }: GcOptions): void {
  if (!json) process.stderr.write("Nothing is left behind\n");
}
