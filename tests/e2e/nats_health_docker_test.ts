import assert from "node:assert/strict";
import { ensureStreams } from "../../lib/backend/nats/streams.ts";
import { metricValues } from "../support/metric-values.ts";
import { broker, until } from "../backend/nats-broker.ts";
import { disposable, startDriver } from "../support/fleet.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker", "broker");

test("a driver's health tells from its start to its end whether it can take events", async () => {
  await using nats = await broker({ streams: false });
  const flags = ["--nats", nats.server.url, "--health", "127.0.0.1:0"];
  await using driver = disposable(startDriver("builder", flags));
  await driver.said("Serves health and figures at ");
  const [url = ""] = /http:\/\/127\.0\.0\.1:\d+/.exec(driver.output()) ?? [];
  const get = async (path: string) => {
    const response = await fetch(`${url}${path}`);
    return { status: response.status, text: await response.text() };
  };
  const reconnects = async () =>
    /^conveyor_broker_reconnects_total\{driver="builder"\} (\d+)$/m.exec((await get("/metrics")).text)?.[1];

  await driver.said("Waits for the control plane");
  assert.deepEqual(await get("/healthz"), { status: 200, text: "ok\n" });
  const early = await get("/readyz");
  assert.equal(early.status, 503);
  assert.match(early.text, /^No events are taken$/m);

  await ensureStreams(nats.connection);
  await driver.said(" takes events of ");
  assert.deepEqual(await get("/readyz"), { status: 200, text: "ready\n" });
  assert.equal(await reconnects(), "0");
  const values = metricValues((await get("/metrics")).text);
  assert.equal(values.get('conveyor_slots{driver="builder"}'), 1);
  assert.equal(values.get('conveyor_slots_used{driver="builder"}'), 0);
  assert.equal(values.get('conveyor_containers{state="running"}'), 0);
  for (const name of ["conveyor_docker_free_bytes", "process_resident_memory_bytes"]) {
    assert.ok((values.get(name) ?? 0) > 0, name);
  }
  assert.ok([...values.keys()].some((name) => name.startsWith("conveyor_build_info{version=")));

  await nats.server.stop();
  await until(async () => (await get("/readyz")).status === 503);
  assert.deepEqual(await get("/readyz"), { status: 503, text: "The broker is not connected\n" });
  assert.deepEqual(await get("/healthz"), { status: 200, text: "ok\n" });
  await nats.server.start();
  await until(async () => (await get("/readyz")).status === 200);
  assert.equal(await reconnects(), "1");

  const second = await startDriver("builder", [...flags.slice(0, 3), new URL(url).host]).ended;
  assert.equal(second.code, 3, second.stderr);
  assert.match(second.stderr, /^error: Cannot serve --health at "127\.0\.0\.1:\d+": .*\nName an address/m);

  driver.kill("SIGTERM");
  assert.equal((await driver.ended).code, 0);
  await assert.rejects(get("/healthz"));
});
