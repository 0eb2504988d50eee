import { jetstreamManager } from "@nats-io/jetstream";
import { connectNats } from "../../lib/backend/nats/connection.ts";
import { delay } from "../../lib/base/signals.ts";
import { openFleet } from "../../tests/support/fleet.ts";
import { startNatsCluster } from "../../tests/support/nats-server.ts";
import type { Soak } from "./soak.ts";
import { startTalkers, talkingRun } from "./talkers.ts";

const INSTANCES = 3;

/** A cluster whose nodes are killed in turn, each once all copies are in sync again. */
export const nodesAreKilled: Soak = {
  name: "nodes of a three-node cluster killed in turn",
  async prepare(parts) {
    const { nodes } = parts.use(await startNatsCluster(3));
    const fleet = parts.use(await openFleet({ nodes }));
    const servers = nodes.map(({ url }) => url);
    for (let i = 0; i < INSTANCES; i++) await startTalkers(fleet, parts, { servers });
    const connection = parts.adopt(await connectNats({ servers }), (it) => it.close());
    const manager = await jetstreamManager(connection, { checkAPI: false, timeout: 1000 });
    const areWhole = async () => {
      const streams = await manager.streams.list().next();
      return streams.every(({ cluster }) =>
        cluster?.leader && cluster.replicas?.length === 2 && cluster.replicas.every(({ current }) => current)
      );
    };
    let turn = 0;
    return {
      atOnce: 6,
      run: () => talkingRun(fleet),
      async strike() {
        const node = nodes[turn++ % nodes.length];
        await node?.kill();
        await delay(Math.random() * 5000);
        await node?.start();
        while (!await areWhole().catch(() => false)) await delay(100);
      },
    };
  },
};
