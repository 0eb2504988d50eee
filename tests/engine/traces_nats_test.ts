import assert from "node:assert/strict";
import { needing } from "../support/needs.ts";
import { openNatsPlane } from "../support/nats-plane.ts";
import { otlpReceiver } from "../support/otlp-receiver.ts";
import { startTracer } from "../../lib/engine/shell/traces/tracer.ts";
import { OK } from "./support/drive.ts";
import { RUN, submission } from "./support/runs.ts";
import { endOf } from "./support/world.ts";

const { test } = needing("broker");

test("nats: a driver elsewhere is told its step's place in the trace, with the claim", async () => {
  await using receiver = await otlpReceiver();
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = receiver.url;
  await using tracer = await startTracer({
    protocol: "http/protobuf",
    endpoint: receiver.url,
    serviceName: "flutter-ci",
    serviceVersion: "1",
    sampling: 1,
  }).finally(() => delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT);
  await using plane = await openNatsPlane({ engine: { ...tracer } });
  const told: (string | undefined)[] = [];
  for (const driver of ["a", "b"]) {
    await plane.driver(driver, ({ traceparent }) => {
      told.push(traceparent);
      return OK;
    });
  }
  await plane.engine.submit({ ...submission("a b"), run: RUN });
  await endOf(plane.engine, RUN);
  const spans = await receiver.received(3);
  const places = ["a", "b"].map((step) => {
    const { traceId, spanId } = spans.find(({ name }) => name === step) ?? assert.fail(`No span of ${step}`);
    return `00-${traceId}-${spanId}-01`;
  });
  assert.deepEqual(told, places);
});
