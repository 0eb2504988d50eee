import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { earlierResults } from "../../lib/driver/understand/earlier-results.ts";
import { decodeEvent } from "../../lib/driver/understand/decode.ts";
import { DriverMessage, Log, PipelineEvent } from "../../lib/wire/messages.ts";
import { Resource } from "../../lib/wire/resource.ts";
import { goJson, readEvent, readLog, readResource, resourceStruct } from "../support/conveyor/go.ts";

/** Messages as a running server and drivers on its Go SDK sent them. */
const folder = fileURLToPath(new URL("../fixtures/wire/", import.meta.url));
const captured = readdirSync(folder).toSorted().map((name) => {
  const { subject, data }: { subject: string; data: string } = JSON.parse(
    readFileSync(folder + name, "utf8"),
  );
  return { name, subject, data, value: JSON.parse(data) };
});
const on = (subject: RegExp) => captured.filter((message) => subject.test(message.subject));

test("DriverMessage and Resource understand every captured event and lose nothing of it", () => {
  const events = on(/^(drivers|resources)\./);
  assert.equal(events.length, 4);
  for (const { name, value } of events) {
    assert.deepEqual(DriverMessage.parse(value), value, name);
    const resource = JSON.parse(value.payload);
    assert.deepEqual(Resource.parse(resource), resource, name);
  }
});

test("PipelineEvent understands every captured result and run's beginning and loses nothing of it", () => {
  const events = on(/^pipelines\./);
  assert.equal(events.length, 5);
  for (const { name, value } of events) assert.deepEqual(PipelineEvent.parse(value), value, name);
});

test("Log understands a captured line, stored and live", () => {
  const lines = on(/logs\./);
  assert.equal(lines.length, 2);
  for (const { name, value } of lines) assert.deepEqual(Log.parse(value), value, name);
});

test("decodeEvent and earlierResults find in the captured steps what the steps before have answered", () => {
  const seen = on(/^drivers\./).map(({ data }) => {
    const event = decodeEvent(Buffer.from(data), ["bench-type"]);
    return "resource" in event && { event: event.event, results: earlierResults(event.resource.metadata) };
  });
  const started = { success: true, message: "ok", data: { containerID: "c0ffee" }, driver: "drv-noop" };
  const logged = {
    success: true,
    message: "ok",
    data: { errors: 0, lines: 5, ms: 1.568, per_s: 3188.3932283629256 },
    driver: "drv-log",
  };
  assert.deepEqual(seen, [
    { event: "create", results: {} },
    { event: "process", results: { "drv-noop": started } },
    { event: "process", results: { "drv-noop": started, "drv-log": logged } },
  ]);
});

test("the stand-in for a server reads and writes each captured message as the server does, byte for byte", () => {
  for (const { name, data, value } of on(/^pipelines\./)) {
    const { event, run_id, resource, driverresult } = readEvent(value, { texts: true });
    const text = [
      `{"event":${goJson(event)},"run_id":${goJson(run_id)},"resource":${goJson(resourceStruct(resource))},`,
      `"driverresult":${goJson(driverresult)}}`,
    ];
    assert.equal(text.join(""), data, name);
  }
  for (const { name, value } of on(/^(drivers|resources)\./)) {
    const resource = readResource(JSON.parse(value.payload), { texts: true });
    assert.equal(goJson(resourceStruct(resource)), value.payload, name);
  }
  for (const { name, data, value } of on(/logs\./)) assert.equal(goJson(readLog(value)), data, name);
});
