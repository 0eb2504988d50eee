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

/** What says that a stream is ours. */
export const OWNER_KEY = "conveyor.owner";
const SCHEMA_KEY = "conveyor.schema";
/** Grows when what lies in the streams changes its meaning. */
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
  /** Names the installation where there is none yet. */
  readonly newOwner?: () => string;
}

/**
 * Makes the streams of our control plane, or brings those that are there up to date, and answers the id of the
 * installation, which stands in their metadata since the first replica made them. Throws `UnavailableError` where a stream
 * of that name is not ours (a Conveyor server runs here) or was made by a newer version, or where the broker has too little
 * storage; `Retryable` where the broker does not carry it out just now.
 *
 * Each stream has a bound, which together are what the broker has for us: logs and artifacts can never take the room that
 * events and results need.
 */
export async function ensureStreams(
  connection: NatsConnection,
  options: StreamsOptions = {},
): Promise<{ owner: string; maxArtifactBytes: number }> {
  const { newOwner = randomUUID, replicas = 1 } = options;
  const manager = await jetstreamManager(connection, { checkAPI: false });
  try {
    // Before anything is made: is there anything that is not ours?
    const found = await Promise.all(NAMES.map((name) => find(manager, name)));
    const owners = found.filter((info) => info !== undefined).map(ownerOf);
    const account = await accountBounds(manager, replicas);
    const isBounded = found.every((info) => info !== undefined && info.config.max_bytes > 0);
    const bounds = account ?? (isBounded ? undefined : await serverBounds(manager, replicas));
    const wanted = { ...options, bounds, isFixed: account !== undefined };
    let owner = owners[0] ?? newOwner();
    let logs = 0;
    // In this order everywhere: whoever makes the first one names the installation.
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
  /** Undefined where each stream has its bound. */
  readonly bounds: StorageBounds | undefined;
  /** The bounds are the account's, and the same for every replica; else they are those of whoever made the streams. */
  readonly isFixed: boolean;
}

/** Answers the configuration of the stream, which is ours. */
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
      // Another replica was quicker, or is finding out how much room there is.
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
    // What is stored stays: a message that has no room is refused, and its sender hears of it.
    discard: DiscardPolicy.New,
    max_age: retention === "limits" ? keepLogsMs * 1e6 : 0,
    metadata: { [OWNER_KEY]: owner, [SCHEMA_KEY]: String(SCHEMA) },
  } satisfies Partial<StreamConfig>;
}

/** The bound of a stream that is there: never less than it has, since that would remove what is stored. */
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

/** Throws UnavailableError where the stream is not ours to use. */
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
