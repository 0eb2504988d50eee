import assert from "node:assert/strict";
import { test } from "node:test";
import { Histogram, seriesText } from "../../lib/base/metrics.ts";
import { PlaneMetrics } from "../../lib/engine/shell/plane-metrics.ts";
import { captureLog } from "../support/process-log.ts";
import { RUN, submission } from "./support/runs.ts";
import { scriptedDriver } from "./support/scripted-driver.ts";
import { endOf, openWorld } from "./support/world.ts";
import { until } from "../support/until.ts";

test("the process log has a line for each beginning and end of a run and its steps, and /metrics counts them", async () => {
  await using world = await openWorld();
  await using log = await captureLog();
  const metrics = new PlaneMetrics();
  const engine = await world.engine({ changed: metrics.changed });
  await using _a = await scriptedDriver(world.transport, "a", () => ({
    success: true,
    message: "",
    data: { host: "h-1" },
  }));
  await using _b = await scriptedDriver(world.transport, "b", () => ({
    success: false,
    message: "No",
    data: { reason: "command-failed" },
  }), { host: "h-1" });
  await using _d = await scriptedDriver(world.transport, "d", () => ({ success: true, message: "" }), {
    host: "h-1",
  });
  await engine.submit(submission("a b c d!", { run: RUN }));
  await endOf(engine, RUN);
  const lines = log.records.filter(({ properties }) => "event" in properties).map(({ properties }) => {
    const { event, step, driver, host, outcome, reason, why, run, resource } = properties;
    assert.deepEqual([run, resource], [RUN, "one"]);
    return [event, step, driver, host, outcome, reason, why].map((value) => value ?? "").join(" ").trimEnd();
  });
  assert.deepEqual(lines, [
    "run-started",
    "step-started a a",
    "step-ended a a h-1 succeeded",
    "step-started b b h-1",
    "step-ended b b h-1 failed command-failed No",
    "step-started d d h-1",
    "step-ended d d h-1 succeeded",
    "run-ended   h-1 failed command-failed",
  ]);
  const other = "99999999-2222-4333-8444-555555555555";
  await engine.submit(submission("x", { run: other }));
  const { createdAt = 0 } = (await world.store.runs.get(other))?.value ?? {};
  const text = await metrics.text(world.store.runs, {
    now: createdAt + 5000,
    gauges: () => [{ name: "conveyor_extra", help: "Extra.", type: "gauge", samples: [{ value: 7 }] }],
  });
  for (
    const line of [
      "conveyor_runs_started_total 2",
      'conveyor_runs_ended_total{outcome="failed",reason="command-failed"} 1',
      'conveyor_step_duration_seconds_count{driver="b",outcome="failed",reason="command-failed"} 1',
      'conveyor_step_duration_seconds_bucket{driver="a",outcome="succeeded",reason="",le="+Inf"} 1',
      'conveyor_runs_open{status="queued"} 1',
      'conveyor_steps_waiting{driver="x"} 1',
      'conveyor_steps_oldest_wait_seconds{driver="x"} 5',
      "conveyor_extra 7",
    ]
  ) assert.ok(text.split("\n").includes(line), `${line}\n${text}`);
});

test("an attempt that is lost, and a run that starts again, are told as what they are", async () => {
  await using world = await openWorld();
  const seen: string[] = [];
  const engine = await world.engine({
    changed: (change) =>
      seen.push("step" in change ? `${change.kind} ${change.step.id} ${change.step.attempt}` : change.kind),
  });
  let tries = 0;
  await using _a = await scriptedDriver(world.transport, "a", () => {
    tries++;
    return tries === 1
      ? { success: false, message: "Lost", data: { reason: "driver-lost" } }
      : { success: true, message: "" };
  });
  await engine.submit(submission("a", { run: RUN, restarts: 1 }));
  await endOf(engine, RUN);
  await until(() => seen.at(-1) === "run-ended");
  assert.deepEqual(seen, [
    "run-started",
    "step-started a 1",
    "step-ended a 1",
    "step-started a 2",
    "step-ended a 2",
    "run-ended",
  ]);
});

test("the text format escapes labels, and has buckets that add up", () => {
  const histogram = new Histogram([1, 10]);
  for (const seconds of [0.5, 1, 5, 50]) histogram.observe({ driver: 'a"b\\c\nd' }, seconds);
  assert.equal(
    seriesText([histogram.series("x_seconds", "How long.")]),
    [
      "# HELP x_seconds How long.",
      "# TYPE x_seconds histogram",
      'x_seconds_bucket{driver="a\\"b\\\\c\\nd",le="1"} 2',
      'x_seconds_bucket{driver="a\\"b\\\\c\\nd",le="10"} 3',
      'x_seconds_bucket{driver="a\\"b\\\\c\\nd",le="+Inf"} 4',
      'x_seconds_sum{driver="a\\"b\\\\c\\nd"} 56.5',
      'x_seconds_count{driver="a\\"b\\\\c\\nd"} 4',
      "",
    ].join("\n"),
  );
});
