import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { lstatIfThere } from "../../base/files.ts";
import { processLog } from "../../base/log.ts";
import { isWithin } from "../../base/signals.ts";
import { keepCachesSmall } from "../../build/cache/keep-small.ts";
import type { CacheLimits } from "../../build/policy.ts";
import { cleanData, type CleanParts } from "../shared/clean-data.ts";

export interface CleanUpParts extends Pick<CleanParts, "embedded" | "engine" | "docker"> {
  readonly caches: CacheLimits;
  /** The data folder. */
  readonly folder: string;
  /** The command that removes what is left. */
  readonly command: string;
  /** How long dispose waits, milliseconds. */
  readonly patienceMs?: number;
}

/** It has had the time of the build already. */
const PATIENCE_MS = 30_000;

/** See `Parts.cleanUp`. A daemon that does not answer must not hold the command for ever. */
export function cleanUp(
  after: Promise<void>,
  { embedded, engine, docker, caches: limits, folder, command, patienceMs = PATIENCE_MS }: CleanUpParts,
): AsyncDisposable {
  const closing = new AbortController();
  const { signal } = closing;
  const log = processLog("cleanup");
  let current: string | undefined;
  const cleaning = after.then(clean).catch((error) => {
    if (!signal.aborted) log.warn("Cannot clean up after earlier runs: {error}", { error });
  });
  return {
    async [Symbol.asyncDispose]() {
      if (!await isWithin(cleaning, patienceMs)) {
        log.warn("Gave up cleaning up after earlier runs: {what}; to remove what is left: {command}", {
          what: current === undefined
            ? "Docker does not answer"
            : `Docker does not finish removing ${current}`,
          command,
        });
      }
      closing.abort();
    },
  };

  async function clean(): Promise<void> {
    const { caches } = await cleanData({
      ...{ embedded, engine, docker, signal },
      onRemoving: (name) => current = name,
      onDone: (what, name) => {
        if (what === "container") log.info("Removed {name}, which an earlier run had left", { name });
      },
      onFailure: ({ message: why }, name) => log.warn("Cannot remove {name}: {why}", { name, why }),
    });
    current = undefined;
    if (caches.length === 0 || !isDue(join(folder, "caches-checked"))) return;
    await keepCachesSmall(docker, limits, { owner: embedded.owner, saved: caches, signal });
  }
}

/** How often a run looks at the sizes of caches, milliseconds: Docker measures all volumes for that. */
const CHECK_CACHES_MS = 600_000;

/** Whether the last check, whose time is that of a file, is long enough ago. Notes the time if it is. */
function isDue(file: string): boolean {
  const last = lstatIfThere(file)?.mtimeMs ?? 0;
  if (Math.abs(Date.now() - last) < CHECK_CACHES_MS) return false;
  writeFileSync(file, "");
  return true;
}
