import assert from "node:assert/strict";
import { test } from "node:test";
import { tmpdir } from "node:os";
import { UnavailableError } from "../../lib/base/errors.ts";
import { DriverMetrics } from "../../lib/driver/program/health/driver-metrics.ts";
import { type DockerHost, hostSeries } from "../../lib/driver/program/health/host-series.ts";
import { seriesText } from "../../lib/base/metrics.ts";
import { DriverStatus } from "../../lib/driver/program/health/driver-status.ts";
import { serveHealth } from "../../lib/driver/program/health/serve-health.ts";
import { whyNotReady } from "../../lib/cli/doctor/ready.ts";
import { planeGauges } from "../../lib/cli/up/plane-gauges.ts";
import { defineDriver } from "../../lib/driver/define.ts";
import { openStage, succeed, TYPE, until } from "../driver/stage.ts";

const loopback = { host: "127.0.0.1", port: 0 };

/** The value of a sample: its name, with labels if it has some. */
function sample(text: string, name: string): number {
  const line = text.split("\n").find((line) => line.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1));
}

test("DriverMetrics counts events by what became of them, what is in hand and how long the driver worked", async () => {
  await using stage = await openStage();
  const metrics = new DriverMetrics("builder");
  const gate = Promise.withResolvers<void>();
  const instance = stage.start(
    defineDriver({
      name: "builder",
      resources: [TYPE],
      async reconcile({ step }) {
        if (step === "waits") await gate.promise;
        if (step === "throws") throw new Error("no");
        return succeed(step, step === "large" ? "x".repeat(70_000) : null);
      },
    }),
    { observer: metrics },
  );
  const text = () =>
    metrics.text({ inHand: instance.inHand, slots: 4, fullMs: 1500, reconnects: 3, host: [] });
  const count = (outcome: string) =>
    sample(text(), `conveyor_events_total{driver="builder",outcome="${outcome}"}`);
  for (const step of ["fine", "throws", "large"]) {
    await stage.send({ step });
    await stage.result();
  }
  await stage.send({ data: "no JSON" });
  await until(() => count("refused") === 1, "the event is refused");
  await stage.send({ step: "waits" });
  await until(() => instance.inHand === 1, "the step has begun");
  assert.equal(sample(text(), 'conveyor_events_in_hand{driver="builder"}'), 1);
  assert.equal(sample(text(), 'conveyor_slots_used{driver="builder"}'), 1);
  assert.equal(sample(text(), 'conveyor_slots{driver="builder"}'), 4);
  gate.resolve();
  await stage.result();
  await until(() => instance.inHand === 0, "the step has ended");

  // What is too large for a result is a failure, whatever the driver calls it.
  const counts = ["succeeded", "failed", "refused", "later", "dropped", "forwarded"].map(count);
  assert.deepEqual(counts, [2, 2, 1, 0, 0, 0]);
  assert.equal(sample(text(), 'conveyor_reconcile_seconds_count{driver="builder"}'), 4);
  assert.equal(sample(text(), 'conveyor_reconcile_seconds_bucket{driver="builder",le="+Inf"}'), 4);
  assert.equal(sample(text(), 'conveyor_broker_reconnects_total{driver="builder"}'), 3);
  assert.equal(sample(text(), 'conveyor_full_seconds{driver="builder"}'), 1.5);
});

test("a driver on a full host is ready, and its figures say how long it has been full", async () => {
  await using stage = await openStage();
  const room = Promise.withResolvers<void>();
  const instance = stage.start({
    name: "builder",
    resources: [TYPE],
    admit: async ({ isHere }) => {
      if (!isHere) await room.promise;
      return true;
    },
    reconcile: () => Promise.resolve(succeed()),
  });
  const status = new DriverStatus({ usesDocker: false });
  status.broker = { isConnected: true, reconnects: 0 };
  status.instance = instance;
  await instance.ready;
  status.isConsuming = true;
  await until(async () => (await status.gauges()).fullMs > 20, "it is full for a while");
  assert.deepEqual(await status.reasons(), []);
  room.resolve();
  await until(async () => (await status.gauges()).fullMs === 0, "there is room again");
});

test("DriverMetrics has a histogram whose buckets hold all that is as quick", () => {
  const metrics = new DriverMetrics("d");
  for (const ms of [5, 50, 50, 5000, 10_000_000]) metrics.reconciled(ms);
  const text = metrics.text({ inHand: 0, slots: 1, fullMs: 0, reconnects: 0, host: [] });
  const buckets = ["0.01", "0.1", "1", "10", "60", "600", "3600", "+Inf"].map((le) =>
    sample(text, `conveyor_reconcile_seconds_bucket{driver="d",le="${le}"}`)
  );
  assert.deepEqual(buckets, [1, 3, 3, 4, 4, 4, 4, 5]);
  assert.equal(sample(text, 'conveyor_reconcile_seconds_sum{driver="d"}'), 10_005.105);
});

test("DriverStatus names what is in the way of the next event, and asks Docker once for all who ask together", async () => {
  const status = new DriverStatus({ usesDocker: true });
  assert.deepEqual(await status.reasons(), [
    "The broker is not connected",
    "Docker is not connected",
    "No events are taken",
  ]);
  let asked = 0;
  let fails = false;
  status.broker = { isConnected: true, reconnects: 2 };
  status.docker = {
    now: () => {
      asked++;
      return fails ? Promise.reject(new Error("connect ENOENT")) : Promise.resolve(0);
    },
  };
  status.isConsuming = true;
  const answers = await Promise.all([status.reasons(), status.reasons(), status.reasons()]);
  assert.deepEqual([answers, asked], [[[], [], []], 1]);
  fails = true;
  assert.deepEqual(await status.reasons(), ["Docker does not answer: connect ENOENT"]);
  const without = new DriverStatus({ usesDocker: false });
  assert.deepEqual(await without.reasons(), ["The broker is not connected", "No events are taken"]);
  assert.deepEqual(await status.gauges(), { inHand: 0, slots: 1, fullMs: 0, reconnects: 2, host: [] });
});

test("DriverStatus asks Docker for its figures once for all who ask within a second", async () => {
  const status = new DriverStatus({ usesDocker: true });
  let asked = 0;
  const list = () => (asked++, Promise.resolve([]));
  status.host = { docker: { endpoint: "tcp://h:2375", list }, info: { rootFolder: tmpdir() }, owner: "o" };
  await Promise.all([status.gauges(), status.gauges()]);
  await status.gauges();
  assert.equal(asked, 1);
});

test("a figure that cannot be read is left out, however that shows", async () => {
  const error = new Error("the database is away");
  const given = {
    folder: tmpdir(),
    troubles: () => [],
    slots: () => undefined,
    host: undefined,
  };
  for (
    const stored of [() => Promise.reject(error), () => {
      throw error;
    }]
  ) {
    const text = seriesText(await planeGauges({ ...given, stored }));
    assert.doesNotMatch(text, /^conveyor_log_bytes/m);
    assert.ok(sample(text, "conveyor_data_free_bytes") > 0);
  }
});

test("hostSeries leaves out what a daemon that does not answer cannot tell", async () => {
  const list = (states: ("running" | "exited")[]) => () =>
    Promise.resolve(
      states.map((state, i) => ({ id: `${i}`, name: "c", labels: {}, state, createdSecond: 0, volumes: {} })),
    );
  const text = async (docker: DockerHost["docker"]) =>
    seriesText(await hostSeries({ docker, info: { rootFolder: tmpdir() }, owner: "o" }));
  const here = await text({ endpoint: "unix:///s", list: list(["running", "running", "exited"]) });
  assert.equal(sample(here, 'conveyor_containers{state="running"}'), 2);
  assert.equal(sample(here, 'conveyor_containers{state="exited"}'), 1);
  assert.ok(sample(here, "conveyor_docker_free_bytes") > 0);
  const elsewhere = await text({ endpoint: "tcp://h:2375", list: list([]) });
  assert.equal(sample(elsewhere, 'conveyor_containers{state="running"}'), 0);
  assert.doesNotMatch(elsewhere, /^conveyor_docker_free_bytes/m);
  const away = await text({ endpoint: "tcp://h:2375", list: () => Promise.reject(new Error("away")) });
  assert.doesNotMatch(away, /^conveyor_/m);
});

test("serveHealth answers GET on its three paths, and nothing else", async () => {
  const reasons: string[] = ["The broker is not connected", "No events are taken"];
  await using health = await serveHealth({
    ...loopback,
    reasons: () => Promise.resolve(reasons),
    metrics: () => "a_total 1\n",
  });
  const call = async (path: string, method = "GET") => {
    const response = await fetch(`${health.url}${path}`, { method });
    return [response.status, await response.text()];
  };
  assert.deepEqual(await call("/healthz"), [200, "ok\n"]);
  assert.deepEqual(await call("/readyz"), [503, "The broker is not connected\nNo events are taken\n"]);
  reasons.length = 0;
  assert.deepEqual(await call("/readyz?verbose"), [200, "ready\n"]);
  assert.deepEqual(await call("/metrics"), [200, "a_total 1\n"]);
  assert.deepEqual(await call("/metrics", "HEAD"), [200, ""]);
  assert.deepEqual(await call("/"), [404, "Expected /healthz, /readyz or /metrics\n"]);
  assert.deepEqual(await call("/healthz", "POST"), [405, "Expected GET\n"]);
});

test("whyNotReady tells what a driver gives as its reasons, and what else does not answer as one", async () => {
  const reasons: string[] = ["The broker is not connected", "No events are taken"];
  const options = { ...loopback, reasons: () => Promise.resolve(reasons), metrics: () => "" };
  const health = await serveHealth(options);
  const url = new URL(`${health.url}/readyz`);
  assert.equal(await whyNotReady(url), "The broker is not connected; No events are taken");
  assert.match(await whyNotReady(new URL("/", url)) ?? "", /^http:\S+ answers with 404: Expected \/healthz/);
  reasons.length = 0;
  assert.equal(await whyNotReady(url), undefined);
  await health[Symbol.asyncDispose]();
  assert.match(await whyNotReady(url) ?? "", /^http:\S+ does not answer: /);
});

test("serveHealth refuses an address that is taken, or is no address of this machine", async () => {
  const parts = { reasons: () => Promise.resolve([]), metrics: () => "" };
  await using first = await serveHealth({ ...loopback, ...parts });
  const port = Number(new URL(first.url).port);
  await assert.rejects(serveHealth({ ...loopback, ...parts, port }), (error) => {
    assert.ok(error instanceof UnavailableError);
    assert.equal(error.message, `Cannot serve --health at "127.0.0.1:${port}"`);
    return true;
  });
  await assert.rejects(serveHealth({ host: "192.0.2.1", port: 0, ...parts }), UnavailableError);
});
