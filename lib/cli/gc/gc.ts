import { type Embedded, openEmbedded } from "../../backend/embedded/embedded.ts";
import { lstatIfThere } from "../../base/files.ts";
import type { LogLevel } from "../../driver/program/command-line/command.ts";
import { type CacheUse, describeCache, evictCaches } from "../../build/cache/evict.ts";
import { sweepOthers } from "../../build/sweep-others.ts";
import type { CacheLimits } from "../../build/policy.ts";
import type { Docker } from "../../docker/docker.ts";
import { neutralText } from "../../driver/program/command-line/neutral.ts";
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
  readonly allOwners?: boolean | undefined;
  /** Milliseconds. */
  readonly olderThan?: number | undefined;
  readonly docker?: string | undefined;
  readonly data?: string | undefined;
  readonly json?: boolean | undefined;
  readonly logLevel: LogLevel;
  readonly logFormat: "text" | "json";
}

const TEXTS = {
  run: { done: "Ended run", dry: "Would end run" },
  container: { done: "Removed container", dry: "Would remove container" },
  network: { done: "Removed network", dry: "Would remove network" },
  cache: { done: "Removed cache", dry: "Would remove cache" },
} as const;

/** An age at which a run of another installation is looked at, if the user names none, milliseconds. */
const OTHERS_AGE_MS = 24 * 3_600_000;

/** Removes what no live run owns, and says what. Throws UnavailableError. */
export async function gc(options: GcOptions): Promise<void> {
  startProcessLog({
    level: options.logLevel,
    format: options.logFormat,
    write: (line) => process.stderr.write(line),
    withoutOutcomesOf: ["driver", "engine"],
  });
  const folder = dataFolder(options.data, environment);
  const limits = cacheLimits(await readPolicy(CACHE_LIMITS, options));
  const hasData = lstatIfThere(folder) !== undefined;
  if (!hasData && !options.allOwners) return nothing(options);
  const stopping = new AbortController();
  const { signal } = stopping;
  await using embedded = hasData ? await openEmbedded({ folder, scope: "gc" }) : undefined;
  await using reaching = reachDocker({ endpoint: options.docker, environment, signal });
  const { docker } = await reaching.answer;
  const said = embedded ? await gcOwn(options, { embedded, docker, limits, signal }) : { gone: 0, kept: [] };
  const others = options.allOwners ? await gcOthers(options, { own: embedded?.owner, docker, signal }) : 0;
  if (said.gone + others === 0) nothing(options);
  for (const use of said.kept) sayKept(use, options);
}

/** Returns the number of things that are gone, and the caches that are kept. */
async function gcOwn(
  options: GcOptions,
  { embedded, docker, limits, signal }: {
    embedded: Embedded;
    docker: Docker;
    limits: CacheLimits;
    signal: AbortSignal;
  },
): Promise<{ gone: number; kept: readonly CacheUse[] }> {
  const { transport, store, sealKey, owner } = embedded;
  const dryRun = options.dryRun === true;
  await using engine = await startEngine({ transport, store, sealKey });
  const { ended, removed, networks } = await cleanData({
    embedded,
    engine,
    docker,
    signal,
    dryRun,
    olderThanMs: options.olderThan ?? 0,
  });
  for (const run of ended) say(options, "run", run);
  for (const name of removed) say(options, "container", name);
  for (const name of networks) say(options, "network", name);
  const { evicted, kept } = await evictCaches(docker, limits, { owner, signal, dryRun });
  for (const { saved } of evicted) say(options, "cache", describeCache(saved));
  return { gone: ended.length + removed.length + networks.length + evicted.length, kept };
}

async function gcOthers(
  options: GcOptions,
  { own, docker, signal }: { own: string | undefined; docker: Docker; signal: AbortSignal },
): Promise<number> {
  const olderThanMs = options.olderThan ?? OTHERS_AGE_MS;
  const swept = await sweepOthers(docker, { own, olderThanMs, signal, dryRun: options.dryRun === true });
  for (const { kind, name, owner } of swept) say(options, kind, name, owner);
  return swept.length;
}

function say(
  { dryRun = false, json }: GcOptions,
  what: keyof typeof TEXTS,
  name: string,
  owner?: string,
): void {
  const of = owner === undefined ? "" : ` of the installation ${neutralText(owner)}`;
  process.stdout.write(
    json
      ? `${JSON.stringify({ type: what, name, ...owner !== undefined && { owner }, dryRun })}\n`
      : `${TEXTS[what][dryRun ? "dry" : "done"]} ${name}${of}\n`,
  );
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
