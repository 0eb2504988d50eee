import { jetstream, type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { Objm } from "@nats-io/obj";
import type { NatsConnection } from "@nats-io/transport-node";
import { InputError } from "../../base/errors.ts";
import { subjects } from "../../wire/subjects.ts";
import { checkBlobName } from "../shared/checks.ts";
import { Lifetime } from "../embedded/lifetime.ts";
import type { IsGenuine } from "../shared/log-gate.ts";
import type { EndedRun, Store } from "../store.ts";
import { ArtifactIndex } from "./artifact-index.ts";
import { artifactReader } from "./artifact-reader.ts";
import { ARTIFACTS_BUCKET, ARTIFACTS_STREAM, openBucket } from "./blobs.ts";
import { inOurWords } from "./calls.ts";
import { Link } from "./link.ts";
import { logReader } from "./log-reader.ts";
import { removedRuns } from "./removed-runs.ts";
import { boundFor } from "./streams.ts";
import { removeUnfinished } from "./unfinished.ts";

export interface NatsStore extends Store {
  /**
   * Removes the rest of artifacts whose upload was cut off and whose last chunk is older than `idleMs`, and
   * artifacts and logs of removed runs that were stored after the removal, for at least `idleMs`. Returns how
   * many artifacts and logs. Throws `Retryable`, `signal.reason`.
   */
  removeUnfinished(options: { idleMs: number; signal: AbortSignal }): Promise<number>;
  /**
   * If the log stream is nearly full, removes the logs of ended runs, the longest ended first, until a third
   * is free. Returns the number of those runs. Throws `Retryable`, `signal.reason`.
   */
  makeRoom(options: { signal: AbortSignal }): Promise<number>;
  /** Returns the size of all stored logs, and the most that the broker keeps of them. Throws `Retryable`. */
  storedLogs(): Promise<{ logBytes: number; logLimit: number | undefined }>;
}

/**
 * The control plane's state with a broker: logs and artifacts stay on the broker, everything else is in
 * `local`. Creates the artifacts' bucket if it is missing, and limits it to `maxArtifactBytes` if set.
 * Dispose also disposes `local`; the connection stays open.
 */
export async function natsStore(
  connection: NatsConnection,
  local: Store,
  { maxArtifactBytes, isGenuine }: { maxArtifactBytes?: number; isGenuine?: IsGenuine | undefined } = {},
): Promise<NatsStore> {
  const link = new Link(connection);
  const manager = await jetstreamManager(link.client, { checkAPI: false });
  try {
    await openBucket(link.client, manager);
    if (maxArtifactBytes !== undefined) await boundArtifacts(manager, maxArtifactBytes);
  } catch (cause) {
    throw inOurWords("open the bucket of artifacts", cause);
  }
  const lifetime = new Lifetime("The store");
  const index = new ArtifactIndex(link, manager, local.notes);
  const removed = removedLogs(local);
  const gone = removedRuns(local.notes);
  const logs = logReader(link, manager, lifetime, { isGenuine, isRemoved: removed.has });
  const artifacts = artifactReader(link, index, lifetime);

  async function removeObjects(run: string, objects: readonly string[]): Promise<void> {
    for (const object of objects) await removeObject(link.client, manager, object);
    await index.forget(run);
  }

  const removeLog = (run: string) => manager.streams.purge("logs-engine", { filter: subjects.logs(run) });

  async function removeLeftovers(options: { idleMs: number; signal: AbortSignal }): Promise<number> {
    let count = 0;
    const runs = await gone.list();
    const artifacts = await index.objectsOf(new Set(runs.keys()));
    const logged = runs.size === 0 ? new Set() : await loggedSubjects(manager);
    for (const run of runs.keys()) {
      const objects = artifacts.get(run) ?? [];
      const hasLog = logged.has(subjects.logs(run));
      options.signal.throwIfAborted();
      if (objects.length === 0 && !hasLog) continue;
      // The removal has failed, or a later run has the same id.
      if (await local.runs.get(run)) continue;
      if (hasLog) await removeLog(run);
      await removeObjects(run, objects);
      count += objects.length + (hasLog ? 1 : 0);
    }
    await gone.forget(runs, options.idleMs);
    return count + await removeUnfinished(link, manager, index, options);
  }

  return {
    ...local,
    logs,
    artifacts,

    removeUnfinished: (options) =>
      lifetime.call(() =>
        removeLeftovers(options).catch((cause) => {
          options.signal.throwIfAborted();
          throw inOurWords("remove unfinished artifacts", cause);
        })
      ),

    makeRoom: ({ signal }) =>
      lifetime.call(() =>
        makeLogRoom(manager, local, { removed, signal }).catch((cause) => {
          signal.throwIfAborted();
          throw inOurWords("make room for logs", cause);
        })
      ),

    storedLogs: () =>
      lifetime.call(async () => {
        const { config, state } = await manager.streams.info("logs-engine").catch((cause) => {
          throw inOurWords("look at the stream of logs", cause);
        });
        return { logBytes: state.bytes, logLimit: config.max_bytes > 0 ? config.max_bytes : undefined };
      }),

    async removeRun(run) {
      lifetime.check();
      checkBlobName(run, "any");
      const found = await local.runs.get(run);
      if (found && found.value.outcome === undefined) {
        throw new InputError(`Cannot remove run "${run}": expected one that has ended`);
      }
      await gone.note(run);
      const objects = Array.from(await index.of(run), ([, { object }]) => object);
      try {
        await removeLog(run);
        await removeObjects(run, objects);
        await removed.forget(run);
      } catch (cause) {
        throw inOurWords(`remove run "${run}"`, cause);
      }
      await local.removeRun(run);
    },

    async [Symbol.asyncDispose]() {
      lifetime.end();
      await index[Symbol.asyncDispose]();
      await local[Symbol.asyncDispose]();
    },
  };
}

async function boundArtifacts(manager: JetStreamManager, bytes: number): Promise<void> {
  const found = await manager.streams.info(ARTIFACTS_STREAM);
  const max_bytes = boundFor(found, bytes, { isFixed: true });
  if (found.config.max_bytes !== max_bytes) {
    await manager.streams.update(ARTIFACTS_STREAM, { ...found.config, max_bytes });
  }
}

/** Returns the subjects of all runs that have a log. */
async function loggedSubjects(manager: JetStreamManager): Promise<Set<string>> {
  const { state } = await manager.streams.info("logs-engine", { subjects_filter: subjects.logs("*") });
  return new Set(Object.keys(state.subjects ?? {}));
}

/** Fill levels of the log stream: cleaning starts above the first and stops below the second. */
const FULL = 0.8;
const ROOMY = 0.66;

/** Notes which logs were removed to make room, since their runs are still there. */
function removedLogs({ notes }: Store) {
  const keyOf = (run: string) => `removed-log/${run}`;
  return {
    has: async (run: string) => await notes.get(keyOf(run)) !== undefined,
    async note(run: string) {
      if (!await notes.get(keyOf(run))) await notes.put(keyOf(run), true, 0);
    },
    async forget(run: string) {
      const found = await notes.get(keyOf(run));
      if (found) await notes.delete(keyOf(run), found.revision);
    },
  };
}

async function makeLogRoom(
  manager: JetStreamManager,
  { runs }: Store,
  { removed, signal }: { removed: ReturnType<typeof removedLogs>; signal: AbortSignal },
): Promise<number> {
  const used = async () => {
    const { config, state } = await manager.streams.info("logs-engine");
    return config.max_bytes > 0 ? state.bytes / config.max_bytes : 0;
  };
  let count = 0;
  if (await used() < FULL) return count;
  let after: EndedRun | undefined;
  for (;;) {
    const page: EndedRun[] = await runs.ended({ until: Number.MAX_SAFE_INTEGER, ...after && { after } });
    for (const { id } of page) {
      signal.throwIfAborted();
      // It may have been removed meanwhile, and a later run may have the same id.
      if ((await runs.get(id))?.value.outcome === undefined) continue;
      const { purged } = await manager.streams.purge("logs-engine", { filter: subjects.logs(id) });
      if (purged === 0) continue;
      await removed.note(id);
      count++;
      if (await used() < ROOMY) return count;
    }
    after = page.at(-1);
    if (!after) return count;
  }
}

/**
 * Deletes an object and purges the deletion marker that the client leaves for ever: readers that follow the
 * bucket have read the marker by then, or never knew the object.
 */
async function removeObject(
  connection: NatsConnection,
  manager: JetStreamManager,
  object: string,
): Promise<void> {
  const bucket = await new Objm(jetstream(connection)).open(ARTIFACTS_BUCKET);
  await bucket.delete(object);
  const name = Buffer.from(object).toString("base64url");
  const padded = name.padEnd(Math.ceil(name.length / 4) * 4, "=");
  await manager.streams.purge(ARTIFACTS_STREAM, { filter: `$O.${ARTIFACTS_BUCKET}.M.${padded}` });
}
