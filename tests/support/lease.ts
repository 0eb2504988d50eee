import { randomUUID } from "node:crypto";
import { AckPolicy, jetstreamManager, StorageType } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

/**
 * Resolves once a lease of `ms` that begins now has ended at the broker. Any older lease of that length has
 * ended by then.
 */
export async function leaseEnds(url: string, ackWaitMs: number): Promise<void> {
  const connection = await connect({ servers: [url] });
  const name = `lease-${randomUUID()}`;
  try {
    const manager = await jetstreamManager(connection, { checkAPI: false });
    await manager.streams.add({ name, subjects: [name], storage: StorageType.Memory });
    const ack_wait = ackWaitMs * 1_000_000;
    await manager.consumers.add(name, { durable_name: name, ack_policy: AckPolicy.Explicit, ack_wait });
    const consumer = await manager.jetstream().consumers.get(name, name);
    await manager.jetstream().publish(name);
    const messages = await consumer.consume();
    for await (const { info } of messages) if (info.deliveryCount > 1) break;
    await manager.streams.delete(name);
  } finally {
    await connection.close();
  }
}
