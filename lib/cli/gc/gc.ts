import { type Embedded, openEmbedded } from "../../backend/embedded/embedded.ts";
import { messageOf } from "../../base/errors.ts";
import { lstatIfThere } from "../../base/files.ts";
import type { LogLevel } from "../../driver/program/command-line/command.ts";
import { type CacheUse, describeCache, evictCaches } from "../../build/cache/evict.ts";
import { sweepOthers } from "../../build/sweep-others.ts";
import type { CacheLimits } from "../../build/policy.ts";
import type { Docker, ListedContainer } from "../../docker/docker.ts";
import { neutralText } from "../../driver/program/command-line/neutral.ts";
import { LABELS } from "../../build/labels.ts";
import { CACHE_LIMITS, cacheLimits } from "../../build/cache/limits.ts";
import { formatSize } from "../../base/units.ts";
import { readPolicy } from "../../driver/program/policy-flags.ts";
import { environment } from "../../driver/program/command-line/environment.ts";
import { EXIT } from "../../driver/program/command-line/exit-codes.ts";
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
  volume: { done: "Removed volume", dry: "Would remove volume" },
  network: { done: "Removed network", dry: "Would remove network" },
  cache: { done: "Removed cache", dry: "Would remove cache" },
} as const;

/** An age at which a run of another installation is looked at, if the user names none, milliseconds. */
const OTHERS_AGE_MS = 24 * 3_600_000;

/**
 * Removes what no live run owns, and says what. If Docker cannot remove something, says that too, goes on and
 * sets the exit code. Throws UnavailableError.
 */
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
  const said = { gone: 0, failed: 0 };
  const tell: Tell = {
    gone: (what, name, owner) => {
      said.gone++;
      say(options, what, name, owner);
    },
    failed: (error, name) => {
      said.failed++;
      sayFailed(options, name, messageOf(error));
    },
  };
  const kept = embedded
    ? await gcOwn(options, { embedded, docker, limits, tell, signal })
    : { caches: [], containers: [] };
  if (options.allOwners) await gcOthers(options, { own: embedded?.owner, docker, tell, signal });
  if (said.gone + said.failed + kept.containers.length === 0) nothing(options);
  for (const container of kept.containers) sayKeptContainer(container, options);
  for (const use of kept.caches) sayKept(use, options);
  if (said.failed > 0) process.exitCode = EXIT.unavailable;
}

/** Says what is removed as it happens, so that it is known also if Docker goes away in the middle. */
interface Tell {
  gone(what: keyof typeof TEXTS, name: string, owner?: string): void;
  failed(error: Error, name: string): void;
}

interface Kept {
  readonly caches: readonly CacheUse[];
  /** Those that are kept for inspection. */
  readonly containers: readonly ListedContainer[];
}

/** Returns what is kept. */
async function gcOwn(
  options: GcOptions,
  { embedded, docker, limits, tell, signal }: {
    embedded: Embedded;
    docker: Docker;
    limits: CacheLimits;
    tell: Tell;
    signal: AbortSignal;
  },
): Promise<Kept> {
  const { transport, store, sealKey, owner } = embedded;
  const dryRun = options.dryRun === true;
  const containers: ListedContainer[] = [];
  await using engine = await startEngine({ transport, store, sealKey });
  await cleanData({
    embedded,
    engine,
    docker,
    signal,
    dryRun,
    olderThanMs: options.olderThan ?? 0,
    onDone: tell.gone,
    onKept: (container) => containers.push(container),
    onFailure: tell.failed,
  });
  const evicting = { owner, signal, dryRun, onFailure: tell.failed };
  const { evicted, kept } = await evictCaches(docker, limits, evicting);
  for (const { saved } of evicted) tell.gone("cache", describeCache(saved));
  return { caches: kept, containers };
}

async function gcOthers(
  options: GcOptions,
  { own, docker, tell, signal }: { own: string | undefined; docker: Docker; tell: Tell; signal: AbortSignal },
): Promise<void> {
  await sweepOthers(docker, {
    own,
    olderThanMs: options.olderThan ?? OTHERS_AGE_MS,
    signal,
    dryRun: options.dryRun === true,
    onSwept: ({ kind, name, owner }) => tell.gone(kind, name, owner),
    onFailure: tell.failed,
  });
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

function sayFailed({ json }: GcOptions, name: string, message: string): void {
  if (json) process.stdout.write(`${JSON.stringify({ type: "failed", name, message })}\n`);
  else process.stderr.write(`Cannot remove ${neutralText(name)}: ${neutralText(message)}\n`);
}

function sayKeptContainer({ name, labels }: ListedContainer, { json }: GcOptions): void {
  const { [LABELS.run]: run = "", [LABELS.expires]: expires } = labels;
  const at = new Date(Number(expires));
  const until = Number.isNaN(at.getTime()) ? undefined : at.toISOString();
  process.stdout.write(
    json
      ? `${JSON.stringify({ type: "kept-container", name, run, until })}\n`
      : `Kept container ${name} of run ${neutralText(run)}${until === undefined ? "" : `, until ${until}`}\n`,
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
