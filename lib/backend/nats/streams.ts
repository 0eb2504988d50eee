import { randomUUID } from "node:crypto";
import {
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
  type StreamConfig,
  type StreamInfo,
} from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { UnavailableError } from "../../base/errors.ts";
import { type StreamName, STREAMS } from "../../wire/subjects.ts";
import { apiCode, inOurWords, isStreamMissing } from "./calls.ts";

/** What says that a stream is ours. */
export const OWNER_KEY = "conveyor.owner";
const SCHEMA_KEY = "conveyor.schema";
/** Grows when what lies in the streams changes its meaning. */
const SCHEMA = 1;
const NAME_IN_USE = 10058;
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
 * of that name is not ours (a Conveyor server runs here) or was made by a newer version, `Retryable` where the broker does
 * not carry it out just now.
 */
export async function ensureStreams(
  connection: NatsConnection,
  options: StreamsOptions = {},
): Promise<{ owner: string }> {
  const { newOwner = randomUUID } = options;
  const manager = await jetstreamManager(connection, { checkAPI: false });
  try {
    // Before anything is made: is there anything that is not ours?
    const owners: string[] = [];
    for (const name of NAMES) {
      const found = await find(manager, name);
      if (found) owners.push(ownerOf(found));
    }
    let owner = owners[0] ?? newOwner();
    // In this order everywhere: whoever makes the first one names the installation.
    for (const name of NAMES) owner = await ensureStream(manager, name, owner, options);
    return { owner };
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

/** Answers whose stream it is. */
async function ensureStream(
  manager: JetStreamManager,
  name: StreamName,
  owner: string,
  options: StreamsOptions,
): Promise<string> {
  const wanted = configuration(name, owner, options);
  const found = await find(manager, name);
  if (!found) {
    try {
      await manager.streams.add(wanted);
      return owner;
    } catch (error) {
      if (apiCode(error) !== NAME_IN_USE) throw error;
      // Another replica was quicker.
      return await ensureStream(manager, name, owner, options);
    }
  }
  const { config } = found;
  const same = config.num_replicas === wanted.num_replicas && config.max_age === wanted.max_age &&
    config.subjects.join() === wanted.subjects.join();
  if (!same) await manager.streams.update(name, { ...wanted, metadata: config.metadata ?? {} });
  return ownerOf(found);
}

function configuration(name: StreamName, owner: string, options: StreamsOptions) {
  const { replicas = 1, keepLogsMs = 0 } = options;
  const { subjects, retention } = STREAMS[name];
  return {
    name,
    subjects: [...subjects],
    retention: RETENTION[retention],
    num_replicas: replicas,
    max_age: retention === "limits" ? keepLogsMs * 1e6 : 0,
    metadata: { [OWNER_KEY]: owner, [SCHEMA_KEY]: String(SCHEMA) },
  } satisfies Partial<StreamConfig>;
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
