import { randomUUID } from "node:crypto";
import { jetstream, type JetStreamManager } from "@nats-io/jetstream";
import { Objm } from "@nats-io/obj";
import type { NatsConnection } from "@nats-io/transport-node";
import { ARTIFACTS_BUCKET, openBucket } from "./blobs.ts";
import { OWNER_KEY } from "./streams.ts";

/**
 * Who owns the containers of a broker's drivers: the installation that our control plane wrote into its streams, else,
 * beside a Conveyor server, a random id in the metadata of the artifacts' bucket, which the first driver makes. Throws
 * while there is neither: no stream `messages` yet, or no connection.
 */
export async function findOwner(
  connection: NatsConnection,
  manager: JetStreamManager,
): Promise<{ owner: string; isConveyors: boolean }> {
  const { config } = await manager.streams.info("messages");
  const ours = config.metadata?.[OWNER_KEY];
  if (ours) return { owner: ours, isConveyors: false };
  await openBucket(connection, manager, { [OWNER_KEY]: randomUUID() });
  const { metadata } = await (await new Objm(jetstream(connection)).open(ARTIFACTS_BUCKET)).status();
  // A bucket that somebody else made: its creation is as unique as an id, and the same for all.
  const info = await manager.streams.info(`OBJ_${ARTIFACTS_BUCKET}`);
  return { owner: metadata?.[OWNER_KEY] ?? `nats-${Date.parse(info.created)}`, isConveyors: true };
}
