import assert from "node:assert/strict";
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { connectNats } from "../../lib/backend/nats/connection.ts";
import { openControlPlane } from "../../lib/backend/nats/control-plane.ts";
import type { Engine } from "../../lib/engine/shell/engine.ts";
import { Signatures } from "../../lib/engine/shell/signatures.ts";
import { startEngine } from "../../lib/engine/shell/start.ts";
import { type StreamName, STREAMS } from "../../lib/wire/subjects.ts";
import { again } from "../support/again.ts";
import { submission } from "../engine/support/runs.ts";
import { type NatsCluster, startNatsCluster } from "../support/nats-server.ts";
import { paced } from "../support/pace.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { comes, moment, until } from "../support/until.ts";
import { within } from "../support/within.ts";
import { worker } from "../support/worker.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("broker");

/** After this an event comes again that was lost on its way from a node that was killed. */
const ACK_WAIT_MS = paced(6000);
/**
 * After this a driver that says nothing loses its attempt: much longer than a busy machine takes to choose
 * leaders and to connect to another node, so that each step is handled once.
 */
const LEASE_MS = 5 * ACK_WAIT_MS;

const NAMES = Object.keys(STREAMS) as StreamName[];

test("runs with output go on, and lose and repeat nothing, when the leader of each stream is killed, and a follower", async () => {
  await using folder = await temporaryFolder();
  await using cluster = await startNatsCluster(3);
  const servers = cluster.nodes.map(({ url }) => url);
  await using local = await openEmbedded({ folder: folder.path, scope: "up" });
  await using plane = await again(() =>
    openControlPlane({
      nats: { servers },
      local: local.store,
      owner: local.owner,
      isGenuine: new Signatures(local).isGenuineBatch,
      replicas: 3,
    })
  );
  const { transport, store } = plane;
  const { sealKey } = local;
  await using engine = await startEngine({ transport, store, sealKey, ackWaitMs: LEASE_MS });
  await using parts = new AsyncDisposableStack();
  const connection = parts.adopt(await connectNats({ servers }), (it) => it.close());
  const manager = await jetstreamManager(connection, { checkAPI: false, timeout: paced(500) });
  const [server] = cluster.nodes;
  assert.ok(server);

  const handled: string[] = [];
  const state = { isDone: false, said: 0 };
  for (let instances = 0; instances < 2; instances++) {
    parts.use(
      await worker({ server }, "talker", async ({ run, log, signal }) => {
        handled.push(`talker of ${run}`);
        for (; !state.isDone && !signal.aborted; await moment()) await log.line(`line ${++state.said}`);
      }, { servers, ackWaitMs: ACK_WAIT_MS }),
    );
    for (const name of ["first", "last"]) {
      parts.use(
        await worker({ server }, name, async ({ run, log }) => {
          handled.push(`${name} of ${run}`);
          for (let i = 1; i <= 3; i++) await log.line(`${name} ${i}`);
        }, { servers, ackWaitMs: ACK_WAIT_MS }),
      );
    }
  }

  const long = await engine.submit(submission("talker last!"));
  const follow = (id: string) => {
    const lines: string[] = [];
    const end = followed(engine, id, lines);
    // A test that has failed before it waits for this run shall end with its own error.
    end.catch(() => {});
    return { id, lines, end };
  };
  const runs = [follow(long)];

  /** Kills the node, and starts it again when the log and a run that began without it have gone on. */
  const without = async (name: string) => {
    // Where the test takes too long as a whole, its output says how far it has got.
    console.error(`Killing ${name} at line ${state.said}`);
    const node = nodeOf(cluster, name);
    await node?.kill();
    const before = state.said;
    const run = follow(
      await within(engine.submit(submission("first last!")), `a run to be taken without ${name}`),
    );
    runs.push(run);
    const goesOn = () => runs[0]?.lines.includes(`line ${before + 20}`) ?? false;
    await until(goesOn, `the log goes on without ${name}`);
    await within(run.end, `the end of a run without ${name}`);
    await within(Promise.resolve(node?.start()), `the start of ${name}`);
    console.error(`Started ${name} again at line ${state.said}`);
  };

  await inStep(cluster, manager);
  const reader = await found(() => readerOnFollower(manager));
  await without(reader);
  for (const missing = new Set<string>(NAMES); missing.size > 0;) {
    const leaders = await inStep(cluster, manager);
    const [stream = ""] = missing;
    const leader = leaders.get(stream) ?? "";
    for (const [name, node] of leaders) if (node === leader) missing.delete(name);
    await without(leader);
  }
  state.isDone = true;

  for (const { id, lines, end } of runs) {
    assert.equal((await end).outcome, "succeeded");
    const said = id === long ? sequence("line", state.said) : sequence("first", 3);
    const expected = [...said, ...sequence("last", 3)];
    assert.deepEqual(lines, expected);
    const replay = follow(id);
    await replay.end;
    assert.deepEqual(replay.lines, expected);
  }
  const steps = runs.flatMap(({ id }) =>
    (id === long ? ["talker", "last"] : ["first", "last"]).map((step) => `${step} of ${id}`)
  );
  assert.deepEqual(handled.toSorted(), steps.toSorted());
});

const sequence = (word: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${word} ${i + 1}`);

/** Follows a run to its end, which it answers, and adds what it logs to `lines`. */
async function followed(engine: Engine, run: string, lines: string[]) {
  for await (const event of engine.follow(run)) {
    if (event.type === "log" && !isOfEngine(event.message)) lines.push(event.message);
    if (event.type === "end") return event;
  }
  throw new Error(`Run ${run} was not followed to its end`);
}

/** Says that a driver is waited for, which comes where a node is away for so long. */
const isOfEngine = (message: string): boolean => message.startsWith('Waiting for driver "');

/** What `look` finds, in time: it may find nothing, and fail while there is an election. */
async function found<T>(look: () => Promise<T | undefined>): Promise<T> {
  const result: { it?: T | undefined } = {};
  await until(async () => (result.it = await look().catch(() => undefined)) !== undefined, `${look}`);
  return result.it as T;
}

const nodeOf = ({ nodes }: NatsCluster, name: string) => nodes.find((_, i) => `node-${i}` === name);

/**
 * How long a node that was started again takes at most to have all of the streams, milliseconds. Usual:
 * 2,000.
 */
const CATCH_UP_MS = 5_000;

/**
 * The leader of each stream, once every node has all of it. One of 2.10.25 now and then does not get there by
 * itself: it is started anew, as its operator would.
 */
async function inStep(cluster: NatsCluster, manager: JetStreamManager): Promise<Map<string, string>> {
  for (let tries = 1; tries <= 6; tries++) {
    const behind = new Set<string>();
    const found: { leaders?: Map<string, string> | undefined } = {};
    const look = async () => {
      found.leaders = await leadersOf(manager, behind).catch(() => undefined);
      return found.leaders !== undefined;
    };
    if (await comes(look, CATCH_UP_MS) && found.leaders) return found.leaders;
    for (const name of behind) {
      console.error(`Restarting ${name}, which has not caught up`);
      await nodeOf(cluster, name)?.kill();
      await nodeOf(cluster, name)?.start();
    }
  }
  throw new Error(`The nodes of the cluster do not get in step: ${await standing(manager)}`);
}

/** What the leaders say of the other nodes' copies. */
async function standing(manager: JetStreamManager): Promise<string> {
  const infos = await Promise.allSettled(NAMES.map((name) => manager.streams.info(name)));
  return JSON.stringify(
    infos.map((info) => info.status === "fulfilled" ? info.value.cluster : `${info.reason}`),
  );
}

/** The leader of each stream; undefined where some node has yet to catch up, which is `behind` then. */
async function leadersOf(
  manager: JetStreamManager,
  behind = new Set<string>(),
): Promise<Map<string, string> | undefined> {
  const leaders = new Map<string, string>();
  behind.clear();
  for (const name of NAMES) {
    const { leader, replicas = [] } = (await manager.streams.info(name)).cluster ?? {};
    for (const { name: node, current } of replicas) if (!current) behind.add(node);
    if (leader && replicas.length === 2) leaders.set(name, leader);
  }
  return leaders.size === NAMES.length && behind.size === 0 ? leaders : undefined;
}

/**
 * The node which has the consumer that reads the log, as soon as that is not the leader of the log's stream.
 */
async function readerOnFollower(manager: JetStreamManager): Promise<string | undefined> {
  const leader = (await leadersOf(manager))?.get("logs-engine");
  const readers = await Array.fromAsync(manager.consumers.list("logs-engine"));
  const nodes = readers.map(({ cluster }) => cluster?.leader);
  if (leader === undefined) return undefined;
  const follower = nodes.length === 1 ? nodes.find((node) => node !== leader) : undefined;
  // Its reader makes another one, which may come to lie elsewhere.
  if (!follower) { for (const { name } of readers) await manager.consumers.delete("logs-engine", name); }
  return follower;
}
