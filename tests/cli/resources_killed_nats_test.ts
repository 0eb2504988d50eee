import assert from "node:assert/strict";
import { type ControlPlane, controlPlane, scriptedDrivers } from "../support/control-plane.ts";
import { startNats } from "../support/nats-server.ts";
import { needing } from "../support/needs.ts";
import { clientOf } from "../support/plane-client.ts";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { ids } from "../../lib/wire/ids.ts";
import { until } from "../support/until.ts";

const { test } = needing("broker");

const BUILD = { name: "app", resource: "flutter-builder", spec: { repository: "https://x.invalid/y.git" } };
/** Where the process is killed: behind the commit, behind the event, and behind the note that it is sent. */
const POINTS = ["run-stored", "outbox-published", "outbox-emptied"] as const;

async function runsOf(plane: ControlPlane): Promise<{ id: string; status: string; operation: string }[]> {
  const { body } = await clientOf(plane)("GET", "/runs?resource=app");
  return body.runs;
}

test("up that is killed while it creates a resource has both after the restart, and the run ends well", async () => {
  for (const point of POINTS) {
    await using broker = await startNats();
    await using plane = await controlPlane("--nats", broker.url, "--drivers", "none");
    const doomed = await plane.start({ env: { CONVEYOR_FAULT: point } });
    const send = clientOf(plane);
    await assert.rejects(send("POST", "/resources", BUILD), point);
    await doomed.ended;
    await plane.start();
    await using _drivers = await scriptedDrivers(broker.url, {});
    const found = await send("GET", "/resources/flutter-builder/app");
    assert.deepEqual([found.status, found.body.metadata.version], [200, "1"], point);
    await until(async () => (await runsOf(plane)).every(({ status }) => status === "succeeded"));
    assert.deepEqual((await runsOf(plane)).map(({ operation }) => operation), ["create"], point);
    assert.equal((await send("POST", "/resources", BUILD)).status, 409, point);
  }
});

test("up that is killed while it changes or removes a resource has done both parts of it, or neither", async () => {
  await using plane = await controlPlane("--drivers", "none");
  const send = clientOf(plane);
  const path = "/resources/flutter-builder/app";
  const first = await plane.start();
  assert.equal((await send("POST", "/resources", BUILD)).status, 201);
  first.kill("SIGTERM");
  await first.ended;
  const changing = await plane.start({ env: { CONVEYOR_FAULT: "run-stored" } });
  await assert.rejects(send("PUT", path, { spec: { ...BUILD.spec, ref: "main" } }));
  await changing.ended;
  const removing = await plane.start({ env: { CONVEYOR_FAULT: "run-stored" } });
  const changed = await send("GET", path);
  assert.deepEqual([changed.body.metadata.version, changed.body.spec.ref], ["2", "main"]);
  await assert.rejects(send("DELETE", path));
  await removing.ended;
  await plane.start();
  assert.equal((await send("GET", path)).status, 404);
  const operations = (await runsOf(plane)).map(({ operation, status }) => `${operation} ${status}`);
  assert.deepEqual(operations.toSorted(), ["create queued", "delete queued", "update queued"]);
});

test("up that is killed while requests arrive at once keeps each that it answered, with its run and event", async () => {
  await using plane = await controlPlane("--drivers", "none");
  const up = await plane.start();
  const send = clientOf(plane);
  const answered = new Map<string, string>();
  let next = 0;
  const client = async () => {
    for (;;) {
      const name = `app-${next++}`;
      const { status, body } = await send("POST", "/resources", { ...BUILD, name });
      assert.equal(status, 201);
      answered.set(name, body.runid);
      if (answered.size === 60) up.kill("SIGKILL");
    }
  };
  await Promise.allSettled(Array.from({ length: 16 }, client));
  // Where requests fail, nobody has killed it.
  up.kill("SIGKILL");
  await up.ended;
  assert.ok(answered.size >= 60, `Only ${answered.size} requests were answered with 201`);
  await using embedded = await openEmbedded({ folder: plane.data, scope: "up" });
  const { store, transport } = embedded;
  const stored = (await store.resources.list({ limit: 1000 })).map(({ value }) => value);
  const runOfName = new Map(stored.map(({ resource: { name }, run }) => [name, run]));
  for (const [name, run] of answered) assert.equal(runOfName.get(name), run, name);
  assert.deepEqual((await store.runs.open()).toSorted(), [...runOfName.values()].toSorted());
  for (const run of runOfName.values()) {
    assert.deepEqual((await store.runs.get(run))?.value.outbox, []);
    assert.ok(await transport.holds("messages", ids.event(run, "container-start", 1)), run);
  }
});
