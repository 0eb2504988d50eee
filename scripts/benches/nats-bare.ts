import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { subjects } from "../../lib/wire/subjects.ts";
import { TYPE } from "./no-op.ts";

/**
 * The least that a program with nats.js must do to promise the same: take, publish a result and await its
 * PubAck, ack.
 */
export async function bareDriver(
  servers: string,
  name: string,
  onBegin: (run: string) => void,
): Promise<AsyncDisposable> {
  const connection: NatsConnection = await connect({ servers });
  const client = jetstream(connection);
  const manager = await jetstreamManager(connection);
  await manager.consumers.add("messages", {
    durable_name: name,
    ack_policy: AckPolicy.Explicit,
    filter_subjects: [subjects.resource(TYPE), subjects.step(name, TYPE)],
  });
  const consumer = await client.consumers.get("messages", name);
  let ended = false;
  const working = (async () => {
    // One at a time, as a driver with one slot.
    while (!ended) {
      const message = await consumer.next({ expires: 1000 });
      if (!message) continue;
      const { run_id, payload } = message.json<{ run_id: string; payload: string }>();
      onBegin(run_id);
      const result = { event: "driver.result", run_id, resource: JSON.parse(payload) };
      await client.publish(subjects.result, JSON.stringify(result), { msgID: `${run_id}/${name}/bare` });
      message.ack();
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      ended = true;
      await working;
      await connection.close();
    },
  };
}
