import assert from "node:assert/strict";
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { type NatsConnection, TimeoutError } from "@nats-io/transport-node";
import { openEmbedded, openHistory } from "../../lib/backend/embedded/embedded.ts";
import { isConsumerMissing } from "../../lib/backend/nats/calls.ts";
import { connectNats } from "../../lib/backend/nats/connection.ts";
import { natsStore } from "../../lib/backend/nats/store.ts";
import { ensureStreams } from "../../lib/backend/nats/streams.ts";
import { openNats } from "../../lib/backend/nats/transport.ts";
import type { Transport } from "../../lib/backend/transport.ts";
import { cable } from "../support/cable.ts";
import { type NatsServer, startNats } from "../support/nats-server.ts";
import { captureLog } from "../support/process-log.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { again, until } from "./nats-broker.ts";
import { type OpenStore, storeConformance } from "./store-conformance.ts";
import { OTHER_RUN, publishBatch, RUN } from "./store-conformance/opened.ts";
import { bytes, within } from "./transport-conformance/opened.ts";
import { lacking, needing } from "../support/needs.ts";

const { after, before, test } = needing("broker");

/** What a blob is stored in pieces of, bytes. */
const CHUNK = 256 * 1024;

let server: NatsServer;
before(async () => void (server = await startNats()));
after(() => server[Symbol.asyncDispose]());

/** What a store has asked the broker. */
interface Calls {
  made: number;
  /** Those whose answer was waited for in vain. */
  timedOut: number;
}

/** One server for all tests, emptied for each; a data folder for each. */
const open: OpenStore = () => openCounted({ made: 0, timedOut: 0 });

async function openCounted(calls: Calls) {
  const opened = new AsyncDisposableStack();
  const { path: folder } = opened.use(await temporaryFolder());
  const connect = async () =>
    opened.adopt(await connectNats({ servers: [server.url] }), (connection) => connection.close());
  const connection = await connect();
  const manager = await jetstreamManager(connection);
  for await (const name of manager.streams.names()) await manager.streams.delete(name);
  await ensureStreams(connection);
  const embedded = opened.use(await openEmbedded({ folder, scope: "up" }));
  const store = opened.use(await natsStore(counted(connection, calls), embedded.store));
  const transport = opened.use(await openNats({ servers: [server.url] }));
  return {
    store,
    transport,
    another: async () => opened.use(await natsStore(await connect(), await openHistory(folder))),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

function counted(connection: NatsConnection, calls: Calls): NatsConnection {
  const request: NatsConnection["request"] = async (...call) => {
    calls.made++;
    try {
      return await connection.request(...call);
    } catch (error) {
      if (error instanceof TimeoutError) calls.timedOut++;
      throw error;
    }
  };
  return new Proxy(connection, {
    get: (target, key) => key === "request" ? request : Reflect.get(target, key),
  });
}

if (!lacking("broker")) storeConformance("nats", open);

test("nats: tail looks as far back as it has to, past other runs' batches", async () => {
  await using opened = await open();
  const { store, transport } = opened;
  for (let i = 1; i <= 300; i++) {
    await publishBatch(transport, [`${i}`], { run: i % 3 === 0 ? RUN : OTHER_RUN });
  }
  for (const count of [1, 21, 22, 99, 100, 101]) {
    const expected = Array.from({ length: 100 }, (_, i) => `${3 * (i + 1)}`).slice(-count);
    assert.deepEqual((await store.logs.tail(RUN, count)).map(({ message }) => message), expected);
  }
});

test("nats: a log that is followed goes on, with no gap and nothing twice, when its consumer is gone", () =>
  whileFollowed(20, async ({ transport, manager }) => {
    for (let i = 1; i <= 20; i++) {
      await publishBatch(transport, [`${i}`]);
      if (i % 5 !== 0) continue;
      const readers = await Array.fromAsync(manager.consumers.list("logs-engine"));
      // The reader itself may have removed it meanwhile.
      for (const { name } of readers) await manager.consumers.delete("logs-engine", name).catch(ifGone);
    }
  }));

test("nats: a log that is followed goes on when its consumer is there and has nothing of what is stored", () =>
  whileFollowed(2, async ({ transport, manager, seen }) => {
    await publishBatch(transport, ["1"]);
    await until(() => Promise.resolve(seen.length === 1));
    // As one on a node whose copy of the stream stays behind, which cannot be had when it is wanted.
    const [reader] = await Array.fromAsync(manager.consumers.list("logs-engine"));
    await manager.consumers.update("logs-engine", reader?.name ?? "", { filter_subject: "logs.nothing" });
    await publishBatch(transport, ["2"]);
  }));

function ifGone(error: unknown): void {
  if (!isConsumerMissing(error)) throw error;
}

/**
 * Follows a log into which `work` publishes the lines 1 to `count`: all are seen, once and in order, and no
 * reader is left.
 */
async function whileFollowed(
  count: number,
  work: (
    parts: { transport: Transport; manager: JetStreamManager; seen: readonly string[] },
  ) => Promise<void>,
): Promise<void> {
  await using opened = await open();
  const { store, transport } = opened;
  const connection = await connectNats({ servers: [server.url] });
  try {
    const manager = await jetstreamManager(connection);
    const controller = new AbortController();
    const seen: string[] = [];
    const following = (async () => {
      for await (const { lines } of store.logs.read(RUN, { follow: true, signal: controller.signal })) {
        seen.push(...lines.map(({ message }) => message));
        if (seen.length === count) controller.abort();
      }
    })();
    await work({ transport, manager, seen });
    await within(following, "the last line");
    assert.deepEqual(seen, Array.from({ length: count }, (_, i) => `${i + 1}`));
    await until(async () => (await Array.fromAsync(manager.consumers.list("logs-engine"))).length === 0);
  } finally {
    await connection.close();
  }
}

test("nats: an artifact that is removed while it is read is no whole one", async () => {
  await using opened = await open();
  const { store, transport } = opened;
  await transport.putBlob(RUN, "large", bytes(new Uint8Array(24 * 1024 * 1024)));
  const reader = (await store.artifacts.open(RUN, "large"))?.[Symbol.asyncIterator]();
  assert.ok(((await reader?.next())?.value?.length ?? 0) > 0);
  await store.removeRun(RUN);
  const rest = async () => {
    while (!(await reader?.next())?.done);
  };
  await assert.rejects(
    within(rest(), "the end"),
    /Artifact "large" was changed or removed while it was read/,
  );
});

test("nats: removeRun leaves nothing of a run in the broker", async () => {
  await using opened = await openCounted({ made: 0, timedOut: 0 });
  const { store, transport } = opened;
  const connection = await connectNats({ servers: [server.url] });
  try {
    const manager = await jetstreamManager(connection);
    await publishBatch(transport, ["a line"]);
    const { logBytes, logLimit = 0 } = await store.storedLogs();
    assert.ok(logBytes > 0 && logLimit > logBytes, `${logBytes} of ${logLimit}`);
    await transport.putBlob(RUN, "dir/ä%2f file", bytes("a"));
    await store.removeRun(RUN);
    assert.deepEqual(await store.storedLogs(), { logBytes: 0, logLimit });
    for (const stream of ["logs-engine", "OBJ_artifacts"]) {
      assert.equal((await manager.streams.info(stream)).state.messages, 0, stream);
    }
  } finally {
    await connection.close();
  }
});

test("nats: putBlob waits for a broker that is killed, and for one that is silent, and stores each byte once", async () => {
  await using log = await captureLog();
  await using opened = await open();
  const { store } = opened;
  await using wire = await cable(server.port);
  await using transport = await openNats({ servers: [wire.url] });
  const parts = Array.from({ length: 6 }, (_, i) => new Uint8Array(300_000).fill(i));
  const faults: Promise<void>[] = [];
  async function* source() {
    for (const [i, part] of parts.entries()) {
      if (i === 2) {
        await server.kill();
        faults.push(log.line(/Lost NATS/).then(() => server.start()));
      }
      if (i === 4) {
        server.freeze();
        const before = wire.sent;
        // What was stored is sent once more, since a request does not wait for its answer so long.
        const isResent = until(() => wire.sent - before > 1.5 * CHUNK, "what was stored is sent again");
        faults.push(isResent.finally(() => server.thaw()));
      }
      yield part;
    }
  }
  const { signal } = new AbortController();
  const { size } = await transport.putBlob(RUN, "large", source(), { signal });
  await Promise.all(faults);
  assert.equal(size, 1_800_000);
  const read = await Array.fromAsync(await store.artifacts.open(RUN, "large") ?? []);
  assert.ok(Buffer.concat(read).equals(Buffer.concat(parts)));
});

test("nats: what is read of a log while the broker is away is there as soon as that is back", async () => {
  await using log = await captureLog();
  const calls = { made: 0, timedOut: 0 };
  await using opened = await openCounted(calls);
  const { store, transport } = opened;
  await publishBatch(transport, ["one"]);
  const coming = store.logs.read(RUN, { follow: true })[Symbol.asyncIterator]();
  assert.equal((await coming.next()).value?.lines[0]?.message, "one");
  const next = coming.next();
  await server.kill();
  await log.line(/Lost NATS/);
  const there = Array.fromAsync(store.logs.read(RUN));
  await server.start();
  assert.deepEqual((await there).map(({ firstSeq }) => firstSeq), [1]);
  await again(() => publishBatch(transport, ["two"], { id: "two" }));
  assert.equal((await next).value?.lines[0]?.message, "two");
  assert.equal(calls.timedOut, 0);
  await coming.return?.();
});

test("nats: what is read while the broker's JetStream is not ready is waited for as long as an election takes", async () => {
  const calls = { made: 0, timedOut: 0 };
  await using opened = await openCounted(calls);
  const { store, transport } = opened;
  await publishBatch(transport, ["one"]);
  await server.kill();
  await server.start("jetstream: disabled");
  const before = calls.made;
  const [line, tail] = [Array.fromAsync(store.logs.read(RUN)), store.logs.tail(RUN, 1)];
  // More often than it asks somebody who is deaf for a moment.
  await until(() => calls.made - before > 24, "both ask again and again");
  await server.kill();
  await server.start();
  assert.deepEqual((await line).map(({ firstSeq }) => firstSeq), [1]);
  assert.deepEqual((await tail).map(({ message }) => message), ["one"]);
});
