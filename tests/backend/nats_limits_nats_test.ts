import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { jetstreamManager } from "@nats-io/jetstream";
import { ArtifactIndex } from "../../lib/backend/nats/artifact-index.ts";
import { connectNats } from "../../lib/backend/nats/connection.ts";
import { Link } from "../../lib/backend/nats/link.ts";
import { openNats } from "../../lib/backend/nats/transport.ts";
import { InputError, UnavailableError } from "../../lib/base/errors.ts";
import { ids } from "../../lib/wire/ids.ts";
import { endOf } from "../engine/support/world.ts";
import { submission } from "../engine/support/runs.ts";
import { openNatsPlane } from "../support/nats-plane.ts";
import { startNats } from "../support/nats-server.ts";
import { until } from "../support/until.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("broker");

const SMALL = 32 * 1024;
const OK = { success: true, message: "done" };

test("connectNats refuses a broker whose largest message has no room for an event, and says what to change", async () => {
  await using server = await startNats({ config: "max_payload: 8192" });
  await assert.rejects(connectNats({ servers: [server.url] }), (error) => {
    assert.ok(error instanceof UnavailableError);
    assert.match(error.message, /takes messages of 8192 bytes at most: expected 16384 or more/);
    assert.match(String(error.hint), /max_payload/);
    return true;
  });
});

test("a broker that takes small messages only: what is too large fails by itself, and nothing else with it", async () => {
  await using plane = await openNatsPlane({ config: `max_payload: ${SMALL}` });
  const { transport } = plane;
  assert.equal(transport.maxMessageBytes, SMALL);
  const other = await plane.connect();
  await using _served = await other.serve(
    "questions",
    ({ data }) => Promise.resolve(new Uint8Array(data.length === 0 ? SMALL + 1 : 1)),
  );

  // One turn of the event loop, so that all of it is one write; the client itself refuses what is larger than
  // it is told.
  const large = new Uint8Array(SMALL - 50);
  const ids = { id: "x".repeat(100) };
  const answers = await Promise.allSettled([
    transport.publish("logs.a", "before"),
    transport.publish("logs.a", new Uint8Array(SMALL + 1)),
    transport.publish("logs.a", large, ids),
    transport.broadcast("live.logs.a.b", new Uint8Array(SMALL + 1)),
    transport.request("questions", "", { timeoutMs: 200 }),
    transport.request("questions", "more", { timeoutMs: 5000 }),
    transport.publish("logs.a", "after"),
    transport.publishAll("logs.a", [{ data: "last" }]),
  ]);
  assert.deepEqual(answers.map(({ status }) => status), [
    "fulfilled",
    "rejected",
    "rejected",
    "rejected",
    "rejected",
    "fulfilled",
    "fulfilled",
    "fulfilled",
  ]);
  for (const n of [1, 2, 3]) {
    assert.ok(answers[n]?.status === "rejected" && answers[n].reason instanceof InputError);
  }
  const connection = await connectNats({ servers: [plane.server.url] });
  const { state } = await (await jetstreamManager(connection)).streams.info("logs-engine");
  assert.equal(state.messages, 3);
  await connection.close();
});

test("a broker that takes small messages only: long lines, large results and artifacts are made to fit", async () => {
  await using plane = await openNatsPlane({ config: `max_payload: ${SMALL}` });
  const { engine, store } = plane;
  const line = "é\u0001".repeat(15_000);
  await plane.driver("a", async ({ log, putArtifact }) => {
    await log.line(line);
    for (let n = 0; n < 400; n++) await log.line(`line ${n} ${"y".repeat(500)}`);
    await putArtifact(
      "big",
      (async function* () {
        yield new Uint8Array(300_000).fill(7);
      })(),
    );
    return OK;
  });
  await plane.driver("b", () => ({ success: true, message: "fine", data: { text: "z".repeat(40_000) } }));
  await plane.driver("c", () => ({
    success: false,
    message: `exit code 9: ${"m".repeat(15_000)}`,
    data: { reason: "command-failed", text: "z".repeat(20_000) },
  }));

  const first = await engine.submit(submission("a"));
  assert.equal((await endOf(engine, first)).outcome, "succeeded");
  const lines = await store.logs.tail(first, 1000);
  const pieces = lines.map(({ message }) => message).filter((message) => !message.startsWith("line "));
  assert.equal(pieces.map((piece) => piece.replace(/ … \[cut .*\]$/, "")).join(""), line);
  assert.equal(lines.filter(({ message }) => message.startsWith("line ")).length, 400);
  assert.deepEqual((await store.artifacts.list(first)).map(({ name, size }) => [name, size]), [[
    "big",
    300_000,
  ]]);
  const bytes = await Array.fromAsync(await store.artifacts.open(first, "big") ?? []);
  assert.ok(Buffer.concat(bytes).equals(Buffer.alloc(300_000, 7)));

  const second = await endOf(engine, await engine.submit(submission("b")));
  assert.equal(second.outcome, "failed");
  assert.equal(second.reason, "driver-error");
  assert.match(second.message, /The result has .*: expected .* at most/);

  const third = await endOf(engine, await engine.submit(submission("c")));
  assert.equal(third.reason, "command-failed");
  assert.match(third.message, /exit code 9: m+ … \[cut\. The result has/);
});

test("a broker that takes small messages only: a spec that fits into no event ends the run with invalid-spec", async () => {
  await using plane = await openNatsPlane({ config: `max_payload: ${SMALL}` });
  const { engine } = plane;
  const resource = { ...submission("a").resource, spec: { text: "s".repeat(30_000) } };
  const end = await endOf(engine, await engine.submit(submission("a", { resource })));
  assert.equal(end.reason, "invalid-spec");
  assert.match(end.message, /more bytes than a message may have \(28.0 KiB\)/);
  await assert.rejects(
    engine.submit(submission("a", { secrets: { LONG: "s".repeat(40_000) } })),
    /submission.secrets: has \d+ bytes as JSON, expected 28672 at most/,
  );
});

test("openNats takes a broker's limit anew when the broker comes back with another", async () => {
  await using server = await startNats();
  await using transport = await openNats({ servers: [server.url] });
  const before = transport.maxMessageBytes;
  await server.stop();
  await server.start(`max_payload: ${SMALL}`);
  await until(() => transport.reconnects > 0, "it is connected again");
  assert.deepEqual([before, transport.maxMessageBytes], [1024 * 1024, SMALL]);
});

test("a build that fills a small broker with its log ends disk-full, what runs always runs, and the next run works", async () => {
  await using plane = await openNatsPlane({ maxFile: "40M" });
  const { engine, store } = plane;
  const text = "x".repeat(60_000);
  await plane.driver("chatty", async ({ log }) => {
    for (let n = 0; n < 1500; n++) await log.write("stdout", Buffer.from(`${n} ${text}\n`));
    return OK;
  });
  await plane.driver("keeper", async ({ putArtifact }) => {
    await putArtifact(
      "huge",
      (async function* () {
        for (let n = 0; n < 60; n++) yield new Uint8Array(1024 * 1024);
      })(),
    );
    return OK;
  });
  const stopped: string[] = [];
  await plane.driver("stop", async ({ log, run }) => {
    // More than the buffer holds, so that some of it has been refused by the end.
    for (let n = 0; n < 40; n++) await log.line(`Clearing ${n} ${text}`);
    stopped.push(run);
    return OK;
  });
  await plane.driver("quiet", () => OK);

  const first = await engine.submit(submission("chatty stop!"));
  const end = await endOf(engine, first);
  assert.deepEqual([end.outcome, end.reason], ["failed", "disk-full"], end.message);
  assert.deepEqual(stopped, [first]);

  const second = await engine.submit(submission("keeper stop!"));
  assert.equal((await endOf(engine, second)).reason, "disk-full");
  assert.deepEqual(stopped, [first, second]);
  assert.deepEqual(await store.artifacts.list(second), []);

  const third = await engine.submit(submission("quiet"));
  assert.equal((await endOf(engine, third)).outcome, "succeeded");

  // Logs of ended runs make room for those to come.
  assert.ok(await store.makeRoom({ signal: new AbortController().signal }) > 0);
  await plane.driver("speaks", async ({ log }) => {
    await log.line("hello");
    return OK;
  });
  const fourth = await engine.submit(submission("speaks"));
  assert.equal((await endOf(engine, fourth)).outcome, "succeeded");
  assert.equal(await store.logs.count(fourth), 1);
});

test("openControlPlane refuses a broker that has too little storage, and says what to change", async () => {
  await assert.rejects(openNatsPlane({ maxFile: "5M" }), (error) => {
    assert.ok(error instanceof UnavailableError);
    assert.match(error.message, /^The broker has .* of storage for JetStream: expected 16\.0 MiB at least$/);
    assert.match(String(error.hint), /max_file/);
    return true;
  });
});

test("openControlPlane shares out what the broker's account may take, and leaves room for events", async () => {
  const config =
    "accounts { A { jetstream { max_file: 100M }, users [{ user: a, password: a }] } }\nno_auth_user: a";
  await using plane = await openNatsPlane({ config });
  const connection = await connectNats({ servers: [plane.server.url] });
  const manager = await jetstreamManager(connection);
  const names = ["messages", "pipeline-engine", "logs-engine", "OBJ_artifacts", "dead"];
  const bounds = await Promise.all(
    names.map(async (name) => (await manager.streams.info(name)).config.max_bytes),
  );
  assert.deepEqual(bounds, [15e6, 10e6, 30e6, 40e6, 5e6]);
  await connection.close();
});

test("a broker keeps nothing of a hundred runs once they are removed, and an index of artifacts goes on after a restart", async () => {
  await using plane = await openNatsPlane();
  const { engine, store, transport } = plane;
  await plane.driver("a", async ({ log, putArtifact }) => {
    await log.line("hello");
    await putArtifact(
      "dir/a file é.bin",
      (async function* () {
        yield new Uint8Array(10);
      })(),
    );
    return OK;
  });
  const connection = await connectNats({ servers: [plane.server.url] });
  const manager = await jetstreamManager(connection);
  const names = ["messages", "pipeline-engine", "logs-engine", "OBJ_artifacts", "dead"];
  const stored = () =>
    Promise.all(names.map(async (name) => [name, (await manager.streams.info(name)).state.messages]));
  const start = await stored();
  const runs: string[] = [];
  for (let n = 0; n < 100; n++) runs.push(await engine.submit(submission("a")));
  for (const run of runs) assert.equal((await endOf(engine, run)).outcome, "succeeded");
  assert.ok((await store.artifacts.list(runs[7] ?? "")).some(({ name }) => name === "dir/a file é.bin"));
  assert.ok((await store.notes.list({ limit: 1000 })).length >= 100);

  // Another index over the same table knows them without reading them again.
  const link = new Link(connection);
  await using index = new ArtifactIndex(link, manager, store.notes);
  assert.deepEqual([...(await index.of(runs[3] ?? "")).keys()], ["dir/a file é.bin"]);

  for (const run of runs) await store.removeRun(run);
  await until(async () => !await transport.holds("messages", ids.event(runs.at(-1) ?? "", "a", 1)));
  assert.deepEqual(await stored(), start);
  assert.equal(await store.removeUnfinished({ idleMs: 0, signal: new AbortController().signal }), 0);
  assert.deepEqual((await store.notes.list()).map(({ key }) => key), ["position"]);
  await connection.close();
});
