import { randomUUID } from "node:crypto";
import {
  DiscardPolicy,
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
  type StreamConfig,
  type StreamInfo,
} from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { UnavailableError } from "../../base/errors.ts";
import { delay } from "../../base/signals.ts";
import { type StreamName, STREAMS } from "../../wire/subjects.ts";
import { apiCode, inOurWords, isStreamMissing, isTooMuch, NAME_IN_USE, NO_STORE } from "./calls.ts";
import { ensureDeadStream } from "./dead.ts";
import { accountBounds, artifactShare, serverBounds, type StorageBounds } from "./storage.ts";

/** Metadata key of the installation id; a stream without it is not ours. */
export const OWNER_KEY = "conveyor.owner";
const SCHEMA_KEY = "conveyor.schema";
/** Incremented when the meaning of the streams' content changes. */
const SCHEMA = 1;
const TRIES = 10;
const SUBJECTS_OVERLAP = 10065;
const NAMES = Object.keys(STREAMS) as StreamName[];

const RETENTION = {
  interest: RetentionPolicy.Interest,
  workqueue: RetentionPolicy.Workqueue,
  limits: RetentionPolicy.Limits,
} as const;

export interface StreamsOptions {
  /** Copies of each stream in a cluster. Default: 1. */
  readonly replicas?: number;
  /** How long log lines are kept, milliseconds. Default: for ever. */
  readonly keepLogsMs?: number;
  /** Creates the id of a new installation. Default: a random UUID. */
  readonly newOwner?: () => string;
}

/**
 * Creates or updates the streams of our control plane. Returns the id of the installation, which the first
 * replica stored in their metadata, and the maximum size of all artifacts in bytes. Throws `UnavailableError`
 * if a stream of that name is not ours (a Conveyor server runs here) or was made by a newer version, or if
 * the broker has too little storage; `Retryable` if the broker cannot do it at the moment.
 *
 * Each stream has its own size limit within the storage that the broker has for us, so logs and artifacts
 * cannot use up the room of events and results.
 */
export async function ensureStreams(
  connection: NatsConnection,
  options: StreamsOptions = {},
): Promise<{ owner: string; maxArtifactBytes: number }> {
  const { newOwner = randomUUID, replicas = 1 } = options;
  const manager = await jetstreamManager(connection, { checkAPI: false });
  try {
    // Check all streams for a foreign owner before creating any.
    const found = await Promise.all(NAMES.map((name) => find(manager, name)));
    const owners = found.filter((info) => info !== undefined).map(ownerOf);
    const account = await accountBounds(manager, replicas);
    const isBounded = found.every((info) => info !== undefined && info.config.max_bytes > 0);
    const bounds = account ?? (isBounded ? undefined : await serverBounds(manager, replicas));
    const wanted = { ...options, bounds, isFixed: account !== undefined };
    let owner = owners[0] ?? newOwner();
    let logs = 0;
    // Every replica uses this order: the one that creates the first stream names the installation.
    for (const name of NAMES) {
      const config = await ensureStream(manager, name, owner, wanted);
      owner = config.metadata?.[OWNER_KEY] ?? owner;
      if (name === "logs-engine") logs = config.max_bytes;
    }
    await ensureDeadStream(manager, bounds?.dead);
    return { owner, maxArtifactBytes: account?.artifacts ?? artifactShare(logs) };
  } catch (cause) {
    if (apiCode(cause) === SUBJECTS_OVERLAP) {
      throw new UnavailableError(
        "Cannot make the streams of the control plane: another stream takes their subjects",
        {
          cause,
          hint: "Give the control plane a broker or an account of its own",
        },
      );
    }
    throw inOurWords("make the streams of the control plane", cause);
  }
}

interface Wanted extends StreamsOptions {
  /** Undefined if every stream has a size limit already. */
  readonly bounds: StorageBounds | undefined;
  /**
   * True if the limits come from the account and are the same for every replica; otherwise those set at
   * creation stay.
   */
  readonly isFixed: boolean;
}

/** Creates or updates the stream and returns its configuration. */
async function ensureStream(
  manager: JetStreamManager,
  name: StreamName,
  owner: string,
  options: Wanted,
  tries = 1,
): Promise<StreamConfig> {
  const wanted = configuration(name, owner, options);
  const found = await find(manager, name);
  if (!found) {
    try {
      return (await manager.streams.add(wanted)).config;
    } catch (error) {
      const isLate = apiCode(error) === NAME_IN_USE || await find(manager, name) !== undefined;
      const passes = isTooMuch(error) || apiCode(error) === NO_STORE;
      if (!isLate && (!passes || tries >= TRIES)) throw error;
      // Another replica was first, or is measuring the free storage.
      if (!isLate) await delay(20 * tries);
      return await ensureStream(manager, name, owner, options, tries + 1);
    }
  }
  ownerOf(found);
  const { config } = found;
  wanted.max_bytes = boundFor(found, wanted.max_bytes, options);
  const same = config.max_bytes === wanted.max_bytes && config.discard === wanted.discard &&
    config.num_replicas === wanted.num_replicas && config.max_age === wanted.max_age &&
    config.subjects.join() === wanted.subjects.join();
  if (same) return config;
  return (await manager.streams.update(name, { ...wanted, metadata: config.metadata ?? {} })).config;
}

function configuration(name: StreamName, owner: string, { bounds, replicas = 1, keepLogsMs = 0 }: Wanted) {
  const { subjects, retention } = STREAMS[name];
  return {
    name,
    subjects: [...subjects],
    retention: RETENTION[retention],
    num_replicas: replicas,
    max_bytes: bounds?.[name] ?? -1,
    // Never drop stored messages: a message without room is refused, and its sender gets the error.
    discard: DiscardPolicy.New,
    max_age: retention === "limits" ? keepLogsMs * 1e6 : 0,
    metadata: { [OWNER_KEY]: owner, [SCHEMA_KEY]: String(SCHEMA) },
  } satisfies Partial<StreamConfig>;
}

/**
 * Returns the size limit of an existing stream: never less than its current size, which would remove
 * messages.
 */
export function boundFor(
  { config, state }: StreamInfo,
  bound: number,
  { isFixed }: { isFixed: boolean },
): number {
  return config.max_bytes > 0 && !isFixed ? config.max_bytes : Math.max(bound, state.bytes);
}

async function find(manager: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  try {
    return await manager.streams.info(name);
  } catch (error) {
    if (isStreamMissing(error)) return undefined;
    throw error;
  }
}

/** Returns the stream's owner. Throws `UnavailableError` if the stream is not ours to use. */
function ownerOf({ config }: StreamInfo): string {
  const owner = config.metadata?.[OWNER_KEY];
  const schema = Number(config.metadata?.[SCHEMA_KEY]);
  if (!owner) {
    throw new UnavailableError(
      `Stream "${config.name}" of this broker belongs to somebody else: expected none, or one of ours`,
      { hint: "A Conveyor CI server runs here. Give the control plane a broker or an account of its own" },
    );
  }
  if (!(schema <= SCHEMA)) {
    throw new UnavailableError(
      `Stream "${config.name}" has schema ${config.metadata?.[SCHEMA_KEY]}: expected ${SCHEMA} at most`,
      { hint: "A newer version has used this broker; update this program" },
    );
  }
  return owner;
}
