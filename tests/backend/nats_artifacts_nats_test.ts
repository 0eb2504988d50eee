import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstream } from "@nats-io/jetstream";
import { Objm } from "@nats-io/obj";
import { connectNats } from "../../lib/backend/nats/connection.ts";
import { openBucketReader } from "../../lib/backend/nats/bucket-reader.ts";
import { openNats } from "../../lib/backend/nats/transport.ts";
import { saveArtifacts } from "../../lib/cli/shared/save-artifacts.ts";
import { startConveyor } from "../support/conveyor-server.ts";
import { until } from "../support/until.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("broker");

const MEGABYTE = 1024 ** 2;
const DAY_MS = 86_400_000;

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  await Promise.resolve();
  yield bytes;
}

test("of artifacts beside a Conveyor server the oldest go, whole, past a size and past an age; the others can be fetched", async () => {
  await using server = await startConveyor();
  await using transport = await openNats({ servers: [server.nats] });
  const { isConveyors } = await transport.owner();
  assert.equal(isConveyors, true);
  const runs = Array.from({ length: 4 }, () => randomUUID());
  const files = new Map<string, Uint8Array>();
  for (const run of runs) {
    const bytes = randomBytes(MEGABYTE);
    files.set(run, bytes);
    await transport.putBlob(run, "out/app.apk", once(bytes), { mode: 0o755 });
  }
  const listed = async () => {
    await using reader = await openBucketReader({ servers: [server.nats] });
    const names = await Promise.all(runs.map((run) => reader.list(run)));
    return names.map((artifacts) => artifacts.map(({ name }) => name).join());
  };
  assert.deepEqual(await listed(), Array.from(runs, () => "out/app.apk"));

  // Room for two and a half of them.
  await transport.keepArtifacts({ maxAgeMs: DAY_MS, maxBytes: 2.5 * MEGABYTE });
  assert.deepEqual(await listed(), ["", "", "out/app.apk", "out/app.apk"]);

  const folder = await mkdtemp(join(tmpdir(), "conveyor-test-"));
  try {
    await using reader = await openBucketReader({ servers: [server.nats] });
    const [, , , last = ""] = runs;
    assert.equal(await saveArtifacts(reader, last, folder), 1);
    assert.deepEqual(
      new Uint8Array(await readFile(join(folder, "out/app.apk"))),
      new Uint8Array(files.get(last) ?? []),
    );
    assert.deepEqual(await reader.list(randomUUID()), []);
  } finally {
    await rm(folder, { recursive: true });
  }

  const [, , , last = ""] = runs;
  await transport.keepArtifacts({ maxAgeMs: 100, maxBytes: 10 * MEGABYTE });
  await until(async () => (await listed()).every((names) => names === ""), "the last one is too old");
  // The owner of the containers is told by the bucket, which stays.
  await transport.putBlob(last, "new", once(new Uint8Array(1)));
  assert.equal((await transport.owner()).isConveyors, true);
});

test("artifacts are listed beside what others keep in the bucket under names that are no artifact's", async () => {
  await using server = await startConveyor();
  await using transport = await openNats({ servers: [server.nats] });
  const run = randomUUID();
  await transport.putBlob(run, "100%", once(new Uint8Array(1)));
  const connection = await connectNats({ servers: [server.nats] });
  try {
    const bucket = await new Objm(jetstream(connection)).open("artifacts");
    for (const name of ["100%", "plain"]) await bucket.putBlob({ name }, new Uint8Array(1));
  } finally {
    await connection.close();
  }
  await using reader = await openBucketReader({ servers: [server.nats] });
  assert.deepEqual(reader.runs(), [run]);
  assert.deepEqual((await reader.list(run)).map(({ name }) => name), ["100%"]);
});

test("a broker without a bucket of artifacts has none", async () => {
  await using server = await startConveyor();
  await using reader = await openBucketReader({ servers: [server.nats] });
  assert.deepEqual([reader.runs(), await reader.list(randomUUID())], [[], []]);
});
