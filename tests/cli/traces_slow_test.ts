import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { controlPlane } from "../support/control-plane.ts";
import { otlpReceiver } from "../support/otlp-receiver.ts";
import { flutterCi } from "./start-program.ts";

test("up sends the traces of its runs, the last of them when it stops", async () => {
  await using receiver = await otlpReceiver();
  await using plane = await controlPlane("--drivers", "none");
  const up = await plane.start({ env: { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${receiver.url}/v1/traces` } });
  // Without a step that always runs, which would wait for its driver.
  const pipeline = join(plane.data, "pipeline.json");
  const steps = [{ id: "a", name: "A", driver: "a" }];
  await writeFile(pipeline, JSON.stringify({ name: "own", resource: "flutter-builder", steps }));
  const submitted = await plane.submit("--detach", "--pipeline", pipeline).ended;
  const run = submitted.stdout.match(/[0-9a-f-]{36}/)?.[0] ?? assert.fail(submitted.stderr);
  const cancelled = await flutterCi(["cancel", run, "--api", plane.url, "--data", plane.data]);
  assert.equal(cancelled.code, 0, cancelled.stderr);
  up.kill("SIGTERM");
  await up.ended;
  const [span] = receiver.spans.filter(({ parentSpanId }) => parentSpanId === "");
  assert.equal(span?.name, "RUN own", submitted.stderr);
  assert.equal(span?.traceId, run.replaceAll("-", ""));
  assert.equal(span?.attributes["cicd.pipeline.result"], "cancellation");
});

test("up names a variable of OpenTelemetry that it cannot use, and serves all the same", async () => {
  await using plane = await controlPlane("--drivers", "none");
  const up = await plane.start({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: "localhost:4318" } });
  assert.match(
    up.output(),
    /OTEL_EXPORTER_OTLP_ENDPOINT is "localhost:4318": expected an http:\/\/ or https:/,
  );
});
