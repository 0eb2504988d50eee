import assert from "node:assert/strict";
import { test } from "node:test";
import { HEADER_ROOM_BYTES, MAX_MESSAGE_BYTES } from "../../lib/backend/transport.ts";
import { decide } from "../../lib/engine/core/decide.ts";
import { stepEvent } from "../../lib/engine/core/dispatch.ts";
import { DriverMessage } from "../../lib/wire/messages.ts";
import type { DriverResult } from "../../lib/wire/resource.ts";
import type { Run } from "../../lib/wire/run.ts";
import { RUN, runOf, submission } from "./support/runs.ts";

/** The run after its open step has answered, as a driver does that claims nothing. */
function answer(run: Run, driver: string, result: DriverResult): Run {
  return decide(run, { kind: "result", driver, result }, 1);
}

/** The event in the run's outbox, and the resource in it. */
function event(run: Run) {
  const [message] = run.outbox;
  assert.ok(message);
  const body = DriverMessage.parse(JSON.parse(message.data));
  assert.equal(typeof body.payload, "string");
  const resource = JSON.parse(String(body.payload));
  return { message, body, resource, metadata: resource.metadata as Record<string, unknown> };
}

test("stepEvent sends what upstream's drivers expect, and what ours want to know", () => {
  const run = decide(runOf("a b", { operation: "update" }), { kind: "submitted" }, 0);
  const { message, body, resource } = event(run);
  assert.equal(message.id, `${RUN}/a/1`);
  assert.deepEqual(message.headers, { "Conveyor-Claims": "1", "Conveyor-Step": "a" });
  assert.equal(body.event, "update");
  assert.equal(body.run_id, RUN);
  assert.match(body.id ?? "", /^[0-9a-f]{24}$/);
  assert.deepEqual(resource, {
    id: "r-1",
    name: "one",
    resource: "thing",
    pipeline: "line",
    spec: { size: 1 },
    metadata: { current_pipeline_step: "a", current_pipeline_run: RUN, current_pipeline_event: "update" },
  });
});

test("stepEvent sends every value of the metadata as a string", () => {
  const { resource } = submission("a");
  const metadata = { version: "3", count: 7, nested: { deep: [1] }, none: null, yes: true };
  const run = decide(runOf("a", { resource: { ...resource, metadata } }), { kind: "submitted" }, 0);
  const { metadata: sent } = event(run);
  assert.ok(Object.values(sent).every((value) => typeof value === "string"));
  assert.equal(sent["version"], "3");
  assert.equal(sent["count"], "7");
  assert.equal(sent["nested"], '{"deep":[1]}');
});

test("stepEvent sends the results of this run's earlier steps, the later one of a driver that ran twice", () => {
  const { resource } = submission("a");
  const metadata = { "driverresults.a": '{"success":true}', driverresults: { b: {} } };
  let run = decide(runOf("a x:b y:b c", { resource: { ...resource, metadata } }), { kind: "submitted" }, 0);
  assert.deepEqual(Object.keys(event(run).metadata).filter((name) => name.startsWith("driverresults")), []);
  run = answer(run, "a", { success: true, message: "up", data: { containerID: "c0ffee" } });
  run = answer(run, "b", { success: true, message: "first" });
  run = answer(run, "b", { success: true, message: "second", data: [1] });
  const { metadata: sent } = event(run);
  assert.deepEqual(JSON.parse(String(sent["driverresults.a"])), {
    success: true,
    message: "up",
    data: { containerID: "c0ffee" },
    driver: "a",
  });
  assert.deepEqual(JSON.parse(String(sent["driverresults.b"])), {
    success: true,
    message: "second",
    data: [1],
    driver: "b",
  });
});

test("stepEvent gives a cleanup the results of what failed, and not of what never ran", () => {
  const run = answer(decide(runOf("a b c!"), { kind: "submitted" }, 0), "a", {
    success: false,
    message: "broken",
    data: { containerID: "c0ffee" },
  });
  const { metadata } = event(run);
  assert.deepEqual(JSON.parse(String(metadata["driverresults.a"])).data, { containerID: "c0ffee" });
  assert.equal(metadata["driverresults.b"], undefined);
});

test("stepEvent addresses the run's host once it is known", () => {
  const run = answer(decide(runOf("a b"), { kind: "submitted" }, 0), "a", {
    success: true,
    message: "",
    data: { host: "h7" },
  });
  assert.equal(event(run).message.subject, "drivers.b.hosts.h7.resources.thing");
});

test("stepEvent addresses no host for a step that may be done anywhere", () => {
  const submitted = runOf("a b");
  const steps = submitted.pipeline.steps.map((step) => ({ ...step, anywhere: step.id === "b" }));
  const run = answer(
    decide({ ...submitted, pipeline: { ...submitted.pipeline, steps } }, { kind: "submitted" }, 0),
    "a",
    {
      success: true,
      message: "",
      data: { host: "h7" },
    },
  );
  assert.equal(event(run).message.subject, "drivers.b.resources.thing");
});

test("stepEvent carries hostile names as what they are", () => {
  const { resource } = submission("a");
  const metadata = JSON.parse('{"__proto__": "x", "constructor": "y"}');
  const run = decide(runOf("a", { resource: { ...resource, metadata } }), { kind: "submitted" }, 0);
  const { metadata: sent } = event(run);
  assert.deepEqual(Object.getOwnPropertyDescriptor(sent, "__proto__")?.value, "x");
  assert.equal(sent["constructor"], "y");
});

test("stepEvent makes the same event of the same run, and another id for another dispatch", () => {
  const run = decide(runOf("a"), { kind: "submitted" }, 0);
  const [step] = run.steps;
  assert.ok(step);
  assert.deepEqual(stepEvent(run, step, 1), run.outbox[0]);
  const again = stepEvent(run, step, 2);
  assert.equal(again?.id, `${RUN}/a/2`);
  assert.notEqual(JSON.parse(again?.data ?? "").id, JSON.parse(run.outbox[0]?.data ?? "").id);
});

test("decide fails a run whose next event would not fit into a message, and still cleans up", () => {
  // Quotes are doubled by every text inside a text.
  const data = '"'.repeat(120_000);
  let run = decide(runOf("a b c d!"), { kind: "submitted" }, 0);
  run = answer(run, "a", { success: true, message: "", data: { containerID: "c0ffee" } });
  run = answer(run, "b", { success: true, message: "", data });
  run = answer(run, "c", { success: true, message: "", data: `${data}""` });
  assert.equal(run.verdict, undefined, "a cleanup goes without the data that is too much");
  const { message, metadata } = event(run);
  assert.ok(message.data.length < MAX_MESSAGE_BYTES);
  assert.equal(JSON.parse(String(metadata["driverresults.a"])).data.containerID, "c0ffee");
  assert.equal(JSON.parse(String(metadata["driverresults.b"])).data, data);
  assert.equal(JSON.parse(String(metadata["driverresults.c"])).data, null);

  let other = decide(runOf("a b c d!"), { kind: "submitted" }, 0);
  other = answer(other, "a", { success: true, message: "", data });
  other = answer(other, "b", { success: true, message: "", data: `${data}""` });
  assert.equal(other.verdict?.reason, "invalid-spec");
  assert.match(other.verdict?.message ?? "", /event of step "c" has more bytes than a message may have/);
  assert.equal(other.steps.map(({ status }) => status).join(), "succeeded,succeeded,failed,dispatched");
});

test("stepEvent gives up a cleanup that has more than a message may have without any results", () => {
  const data = '"'.repeat(120_000);
  let run = decide(runOf("a b!"), { kind: "submitted" }, 0);
  run = answer(run, "a", { success: false, message: "", data });
  const cleanup = run.steps[1];
  assert.ok(cleanup);
  assert.equal(stepEvent({ ...run, maxMessageBytes: HEADER_ROOM_BYTES + 100 }, cleanup, 1), undefined);
});
