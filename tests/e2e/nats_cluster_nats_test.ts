import assert from "node:assert/strict";
import { test } from "node:test";
import { jetstreamManager } from "@nats-io/jetstream";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { connectNats } from "../../lib/backend/nats/connection.ts";
import { openControlPlane } from "../../lib/backend/nats/control-plane.ts";
import { Retryable } from "../../lib/base/errors.ts";
import { delay } from "../../lib/base/signals.ts";
import { startEngine } from "../../lib/engine/start.ts";
import { again, until } from "../backend/nats-broker.ts";
import { submission } from "../engine/support/runs.ts";
import { ACK_WAIT_MS } from "../support/fleet.ts";
import { startNatsCluster } from "../support/nats-server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { worker } from "../support/worker.ts";

test("a run with output goes on when the node is killed that leads its log, and loses no line", async () => {
  await using folder = await temporaryFolder();
  await using cluster = await startNatsCluster(3);
  const servers = cluster.nodes.map(({ url }) => url);
  await using local = await openEmbedded({ folder: folder.path, scope: "up" });
  await using plane = await again(() =>
    openControlPlane({ nats: { servers }, local: local.store, owner: local.owner, replicas: 3 })
  );
  const { transport, store } = plane;
  await using engine = await startEngine({
    transport,
    store,
    sealKey: local.sealKey,
    ackWaitMs: ACK_WAIT_MS,
  });
  await using parts = new AsyncDisposableStack();
  const connection = parts.adopt(await connectNats({ servers }), (it) => it.close());
  const manager = await jetstreamManager(connection, { checkAPI: false, timeout: 500 });
  const [server] = cluster.nodes;
  assert.ok(server);

  const handled: string[] = [];
  const state = { isDone: false, said: 0 };
  parts.use(
    await worker({ server }, "talker", async ({ log }) => {
      handled.push("talker");
      for (; !state.isDone; await delay(5)) await log.line(`line ${++state.said}`);
    }, { servers }),
  );
  parts.use(await worker({ server }, "last", () => void handled.push("last"), { servers }));

  const run = await engine.submit(submission("talker last!"));
  const lines: string[] = [];
  const reading = (async () => {
    for await (const event of engine.follow(run)) {
      if (event.type === "log" && event.message.startsWith("line ")) lines.push(event.message);
      if (event.type === "end") return event;
    }
    throw new Error("The run was not followed to its end");
  })();
  const leaderOf = async (stream: string) => {
    const { cluster } = await again(() => manager.streams.info(stream).catch(retryable));
    const { leader, replicas = [] } = cluster ?? {};
    return replicas.length === 2 && replicas.every(({ current }) => current) ? leader : undefined;
  };
  const found: { leader?: string | undefined } = {};
  await until(async () => (found.leader = await leaderOf("logs-engine")) !== undefined);
  await cluster.nodes.find((_, i) => `node-${i}` === found.leader)?.kill();
  const before = state.said;
  await until(() => Promise.resolve(lines.includes(`line ${before + 20}`)));
  state.isDone = true;
  const end = await reading;
  assert.equal(end.outcome, "succeeded");
  assert.deepEqual(lines, Array.from({ length: state.said }, (_, i) => `line ${i + 1}`));
  assert.deepEqual(handled, ["talker", "last"]);
});

function retryable(cause: unknown): never {
  throw new Retryable("The cluster has no leader yet", { cause, reason: "transport-unreachable" });
}
