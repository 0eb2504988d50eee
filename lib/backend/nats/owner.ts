import { randomUUID } from "node:crypto";
import type { JetStreamManager, StreamInfo } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { ARTIFACTS_STREAM, openBucket } from "./blobs.ts";
import { isStreamMissing } from "./calls.ts";
import { OWNER_KEY } from "./streams.ts";

/**
 * Returns the owner id for the containers of a broker's drivers: the installation that our control plane
 * wrote into its streams, else, beside a Conveyor server, a random id in the metadata of the artifacts'
 * bucket, which the first driver creates. Throws if there is no stream `messages` yet, or no connection.
 */
export async function findOwner(
  connection: NatsConnection,
  manager: JetStreamManager,
): Promise<{ owner: string; isConveyors: boolean }> {
  const { config } = await manager.streams.info("messages");
  const ours = config.metadata?.[OWNER_KEY];
  if (ours) return { owner: ours, isConveyors: false };
  const bucket = await findBucket(manager) ?? await makeBucket(connection, manager);
  // Another client made the bucket: its creation time serves as id, the same for every driver.
  const owner = bucket.config.metadata?.[OWNER_KEY] ?? `nats-${Date.parse(bucket.created)}`;
  return { owner, isConveyors: true };
}

async function findBucket(manager: JetStreamManager): Promise<StreamInfo | undefined> {
  try {
    return await manager.streams.info(ARTIFACTS_STREAM);
  } catch (error) {
    if (isStreamMissing(error)) return undefined;
    throw error;
  }
}

async function makeBucket(connection: NatsConnection, manager: JetStreamManager): Promise<StreamInfo> {
  await openBucket(connection, manager, { [OWNER_KEY]: randomUUID() });
  return await manager.streams.info(ARTIFACTS_STREAM);
}
