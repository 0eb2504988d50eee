import assert from "node:assert/strict";
import { jetstream } from "@nats-io/jetstream";
import { Objm } from "@nats-io/obj";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { natsStore } from "../../lib/backend/nats/store.ts";
import { paced } from "../support/pace.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { startChild } from "./embedded-children/start.ts";
import { broker, until } from "./nats-broker.ts";
import { OTHER_RUN, publishBatch, RUN, runOf } from "./store-conformance/opened.ts";
import { bytes } from "./transport-conformance/opened.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("broker");

const { signal } = new AbortController();
const THIRD_RUN = "0fbab31f-0000-4000-8000-ac49b007ca65";
const CHUNK = 256 * 1024;

/** A broker with a store and a transport on it. */
async function openStore() {
  await using opening = new AsyncDisposableStack();
  const nats = opening.use(await broker());
  const folder = opening.use(await temporaryFolder());
  const embedded = opening.use(await openEmbedded({ folder: folder.path, scope: "up" }));
  const store = opening.use(await natsStore(nats.connection, embedded.store));
  const transport = await nats.open();
  const chunks = async () => {
    const options = { subjects_filter: "$O.artifacts.C.*" };
    const { state } = await nats.manager.streams.info("OBJ_artifacts", options);
    return Object.values(state.subjects ?? {}).toSorted((a, b) => a - b);
  };
  /** Resolves when the last of what is stored was stored longer ago than that, by the broker's clock. */
  const idle = (ms: number) =>
    until(async () => {
      const { state, ts = "" } = await nats.manager.streams.info("OBJ_artifacts");
      return Date.parse(ts) - Date.parse(state.last_ts) > ms;
    });
  const opened = opening.move();
  return { ...nats, store, transport, chunks, idle, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

/** A source that gives a piece whenever it is told to, until it is ended. */
function dripping() {
  let taps: ReadableStreamDefaultController<Uint8Array> | undefined;
  const source = new ReadableStream<Uint8Array>({ start: (controller) => void (taps = controller) });
  return { source, drip: () => taps?.enqueue(new Uint8Array(CHUNK + 1)), end: () => taps?.close() };
}

test("removeUnfinished removes what a killed process had not finished storing, and nothing that is being stored", async () => {
  await using opened = await openStore();
  const { server, store, transport, chunks, idle } = opened;
  await transport.putBlob(RUN, "empty", bytes());
  await transport.putBlob(RUN, "replaced", bytes(new Uint8Array(CHUNK)));
  await transport.putBlob(RUN, "replaced", bytes(new Uint8Array(2 * CHUNK)));
  const drops = dripping();
  const storing = transport.putBlob(OTHER_RUN, "slow", drops.source);
  drops.drip();
  await using child = startChild("../nats-children/store-half.ts", [server.url, RUN, "half"]);
  await until(async () => JSON.stringify(await chunks()) === "[1,2,4]");
  await child.kill();

  assert.equal(await store.removeUnfinished({ idleMs: 60_000, signal }), 0);
  assert.deepEqual(await chunks(), [1, 2, 4]);
  const idleMs = paced(800);
  await idle(idleMs);
  drops.drip();
  await until(async () => JSON.stringify(await chunks()) === "[2,2,4]");
  assert.equal(await store.removeUnfinished({ idleMs, signal }), 1);
  assert.deepEqual(await chunks(), [2, 2]);

  drops.end();
  await storing;
  await idle(0);
  assert.equal(await store.removeUnfinished({ idleMs: 0, signal }), 0);
  const sizeOf = async (run: string, name: string) => {
    const pieces = await Array.fromAsync(await store.artifacts.open(run, name) ?? []);
    return pieces.reduce((size, { length }) => size + length, 0);
  };
  assert.deepEqual((await store.artifacts.list(RUN)).map(({ name }) => name), ["empty", "replaced"]);
  assert.equal(await sizeOf(RUN, "empty"), 0);
  assert.equal(await sizeOf(RUN, "replaced"), 2 * CHUNK);
  assert.equal(await sizeOf(OTHER_RUN, "slow"), 2 * (CHUNK + 1));
});

test("removeUnfinished removes what was stored of a run after its removal, and nothing of others", async () => {
  await using opened = await openStore();
  const { store, transport } = opened;
  await transport.putBlob(RUN, "first", bytes("one"));
  await transport.putBlob(OTHER_RUN, "other", bytes("other"));
  const drops = dripping();
  const storing = transport.putBlob(RUN, "late", drops.source);
  drops.drip();
  await until(async () => (await opened.chunks()).length === 3);
  await store.removeRun(RUN);
  drops.end();
  await storing;
  const listed = async (run: string) => (await store.artifacts.list(run)).map(({ name }) => name);
  assert.deepEqual(await listed(RUN), ["late"]);
  assert.equal(await store.removeUnfinished({ idleMs: 60_000, signal }), 1);
  assert.deepEqual([await listed(RUN), await listed(OTHER_RUN)], [[], ["other"]]);
  assert.equal((await opened.chunks()).length, 1);

  // Later ones are still found, until nobody can be storing any more.
  await transport.putBlob(RUN, "later", bytes("two"));
  assert.equal(await store.removeUnfinished({ idleMs: 0, signal }), 1);
  assert.deepEqual(await store.notes.list({ after: "removed-run/", limit: 1 }), []);
});

test("removeUnfinished removes log lines that were stored of a run after its removal, and none of others", async () => {
  await using opened = await openStore();
  const { store, transport } = opened;
  const [ended, again] = [RUN, OTHER_RUN];
  for (const run of [ended, again]) {
    await store.runs.put(run, runOf(run, { outcome: "succeeded", endedAt: 1_700_000_001_000 }), 0);
    await publishBatch(transport, ["early"], { run });
    await store.removeRun(run);
  }
  await store.runs.put(again, runOf(again), 0);
  for (const run of [ended, again, THIRD_RUN]) await publishBatch(transport, ["late"], { run });
  assert.equal(await store.removeUnfinished({ idleMs: 60_000, signal }), 1);
  const lines = await Promise.all([ended, again, THIRD_RUN].map((run) => store.logs.count(run)));
  assert.deepEqual(lines, [0, 1, 1]);
});

test("removeUnfinished leaves the artifacts of a run that was created again with the id of a removed one", async () => {
  await using opened = await openStore();
  const { store, transport } = opened;
  const ended = runOf(RUN, { outcome: "succeeded", endedAt: 1_700_000_001_000 });
  await store.runs.put(RUN, ended, 0);
  await store.removeRun(RUN);
  await store.runs.put(RUN, runOf(RUN), 0);
  await transport.putBlob(RUN, "app", bytes("content"));
  for (const idleMs of [60_000, 0]) {
    assert.equal(await store.removeUnfinished({ idleMs, signal }), 0);
    assert.deepEqual((await store.artifacts.list(RUN)).map(({ name }) => name), ["app"]);
  }
});

test("removeUnfinished leaves the artifacts of a run whose removal has failed, until the next removal", async () => {
  await using opened = await openStore();
  const { manager, store, transport } = opened;
  await store.runs.put(RUN, runOf(RUN, { outcome: "succeeded", endedAt: 1_700_000_001_000 }), 0);
  await transport.putBlob(RUN, "app", bytes("content"));
  const { config } = await manager.streams.info("logs-engine");
  await manager.streams.delete("logs-engine");
  await assert.rejects(store.removeRun(RUN), /Cannot remove run/);
  await manager.streams.add(config);
  assert.equal(await store.removeUnfinished({ idleMs: 60_000, signal }), 0);
  assert.deepEqual((await store.artifacts.list(RUN)).map(({ name }) => name), ["app"]);
  await store.removeRun(RUN);
  assert.deepEqual([await store.artifacts.list(RUN), await store.runs.get(RUN)], [[], undefined]);
});

test("removeRun leaves what others keep in the bucket under a name that begins with the run's id", async () => {
  await using opened = await openStore();
  const { connection, store } = opened;
  const bucket = await new Objm(jetstream(connection)).open("artifacts");
  await bucket.putBlob({ name: `${RUN}x` }, new TextEncoder().encode("theirs"));
  assert.deepEqual(await store.artifacts.list(RUN), []);
  await store.removeRun(RUN);
  assert.equal(new TextDecoder().decode(await bucket.getBlob(`${RUN}x`) ?? undefined), "theirs");
});

test("removeUnfinished leaves what others keep in the bucket under names that are no artifact's", async () => {
  await using opened = await openStore();
  const { connection, store, chunks, idle } = opened;
  const bucket = await new Objm(jetstream(connection)).open("artifacts");
  const names = ["100%", "ab", "a/b", "abb"];
  for (const name of names) await bucket.putBlob({ name }, new TextEncoder().encode(name));
  await idle(0);
  assert.equal(await store.removeUnfinished({ idleMs: 0, signal }), 0);
  assert.deepEqual(await chunks(), [1, 1, 1, 1]);
  for (const name of names) {
    assert.equal(new TextDecoder().decode(await bucket.getBlob(name) ?? undefined), name);
  }
});

test("removeUnfinished removes nothing where it cannot tell what a description is of", async () => {
  await using opened = await openStore();
  const { connection, store, chunks, idle } = opened;
  const client = jetstream(connection);
  await client.publish("$O.artifacts.C.unknown", "bytes");
  await client.publish("$O.artifacts.M.unknown", "no JSON");
  await idle(0);
  await assert.rejects(
    store.removeUnfinished({ idleMs: 0, signal }),
    /Cannot remove unfinished artifacts/,
  );
  assert.deepEqual(await chunks(), [1]);
});

test("removeUnfinished lists nothing where all that is stored is whole", async () => {
  await using opened = await openStore();
  const { connection, store, transport } = opened;
  for (let i = 0; i < 20; i++) await transport.putBlob(RUN, `${i}`, bytes(`${i}`));
  const asked: string[] = [];
  const subscription = connection.subscribe("$JS.API.STREAM.*.OBJ_artifacts", {
    callback: (_, { subject, data }) => void asked.push(`${subject} ${new TextDecoder().decode(data)}`),
  });
  await connection.flush();
  assert.equal(await store.removeUnfinished({ idleMs: 0, signal }), 0);
  await connection.flush();
  subscription.unsubscribe();
  assert.deepEqual(asked.map((text) => text.trim()), ["$JS.API.STREAM.INFO.OBJ_artifacts"]);
});

test("makeRoom leaves the log of a run that is created again, with the id of an ended one, while it lists them", async () => {
  await using nats = await broker();
  await using folder = await temporaryFolder();
  await using embedded = await openEmbedded({ folder: folder.path, scope: "up" });
  const { runs } = embedded.store;
  const ended = async (...options: Parameters<typeof runs.ended>) => {
    const page = await runs.ended(...options);
    const found = page.some(({ id }) => id === RUN) ? await runs.get(RUN) : undefined;
    if (found) await runs.delete(RUN, found.revision);
    if (found) await runs.put(RUN, runOf(RUN), 0);
    return page;
  };
  await using store = await natsStore(nats.connection, { ...embedded.store, runs: { ...runs, ended } });
  const transport = await nats.open();
  for (const [n, run] of [RUN, OTHER_RUN].entries()) {
    await runs.put(run, runOf(run, { outcome: "succeeded", endedAt: 1_700_000_000_000 + n }), 0);
    await publishBatch(transport, ["x".repeat(1000)], { run });
  }
  const { config, state } = await nats.manager.streams.info("logs-engine");
  await nats.manager.streams.update("logs-engine", { ...config, max_bytes: state.bytes });
  assert.equal(await store.makeRoom({ signal }), 1);
  const lines = await Promise.all([RUN, OTHER_RUN].map((run) => store.logs.count(run)));
  assert.deepEqual(lines, [1, 0]);
});
