import assert from "node:assert/strict";
import { jetstreamManager } from "@nats-io/jetstream";
import { connectNats } from "../../lib/backend/nats/connection.ts";
import { ensureStreams } from "../../lib/backend/nats/streams.ts";
import { openNats } from "../../lib/backend/nats/transport.ts";
import { startNatsCluster } from "../support/nats-server.ts";
import { paced } from "../support/pace.ts";
import { captureLog } from "../support/process-log.ts";
import { again, until, waitingPulls } from "./nats-broker.ts";
import { pull, spec } from "./transport-conformance/opened.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("broker");

const CONSUMER = spec("a", ["resources.t"], 5000);

test("a cluster of three loses nothing when a leader moves and when it is killed", async () => {
  await using log = await captureLog();
  await using cluster = await startNatsCluster(3);
  const servers = cluster.nodes.map(({ url }) => url);
  const connection = await connectNats({ servers });
  const manager = await jetstreamManager(connection, { checkAPI: false, timeout: paced(500) });
  await again(() => ensureStreams(connection, { replicas: 3 }));
  const transport = await openNats({ servers, pullTimes: { heartbeat: paced(500) } });
  await using puller = pull(transport, CONSUMER);
  await again(() => transport.ensureConsumer(CONSUMER));

  const send = (id: string) => again(() => transport.publish("resources.t", id, { id }));
  /** Undefined during an election, and where the answer got lost. */
  const leader = () =>
    manager.consumers.info("messages", "a").then(({ cluster }) => cluster?.leader, () => undefined);
  const stepDown = () =>
    connection.request("$JS.API.CONSUMER.LEADER.STEPDOWN.messages.a", "", { timeout: 2000 })
      .catch(() => undefined);

  await send("at rest");
  await receive("at rest");

  const moved = receive("moved");
  await until(async () => (await waitingPulls(manager, "a")) === 1, "the transport asks for a message");
  let lastLeader: string | undefined;
  await until(async () => (lastLeader = await leader()) !== undefined, "the consumer has a leader");
  const before = lastLeader;
  await until(async () => {
    // The same node may be elected again: then it is told once more.
    if (lastLeader === before) await stepDown();
    lastLeader = await leader();
    return lastLeader !== undefined && lastLeader !== before;
  }, `the consumer's leader is another node than ${before}`);
  await send("moved");
  await moved;

  const leading = cluster.nodes.find((_, i) => `node-${i}` === lastLeader);
  assert.ok(leading);
  const received = receive("without its leader");
  await leading.kill();
  await send("without its leader");
  await received;
  const replicas = () =>
    manager.streams.info("messages").then(({ config }) => config.num_replicas, () => undefined);
  await until(async () => await replicas() === 3, "the stream is there, with three copies");
  await log.line(/leadership change; asking again/);
  await transport[Symbol.asyncDispose]();
  await connection.close();

  /** At least once: an election may bring back what was acked a moment before. */
  async function receive(id: string): Promise<void> {
    for (;;) {
      const delivery = await puller.next();
      await again(() => delivery.ack());
      if (delivery.id === id) return;
    }
  }
});
