import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import fc from "fast-check";
import { decodeEvent, type DriverEvent, MAX_RESOURCE_BYTES } from "../../lib/driver/understand/decode.ts";

const RUN = "fbab31f6-a278-4a8f-96be-ac49b007ca65";
const TYPES = ["flutter-builder"];
const RESOURCE = {
  id: "7a0f6a2e",
  name: "app-1",
  resource: "flutter-builder",
  metadata: { version: "1" },
  spec: { env: [] },
};

function event(fields: Record<string, unknown> = {}): Buffer {
  const message = {
    event: "create",
    payload: JSON.stringify(RESOURCE),
    id: "5f2b9c0a1d3e4f5a6b7c8d9e",
    run_id: RUN,
  };
  return Buffer.from(JSON.stringify({ ...message, ...fields }));
}

function understood(data: Uint8Array): DriverEvent {
  const decoded = decodeEvent(data, TYPES);
  assert.ok("resource" in decoded, "problem" in decoded ? decoded.problem : "");
  return decoded;
}

/** What is wrong with it, and whether it is known whose it is. */
function broken(data: Uint8Array): { problem: string; run: string | undefined } {
  const decoded = decodeEvent(data, TYPES);
  assert.ok("problem" in decoded);
  return { problem: decoded.problem, run: decoded.run };
}

test("decodeEvent reads an event whose payload is JSON text, as it is on the wire", () => {
  // As a Conveyor server sends it.
  const data = Buffer.from(
    String
      .raw`{"event":"create","payload":"{\"id\":\"7a0f6a2e\",\"name\":\"app-1\",\"resource\":\"flutter-builder\",\"metadata\":{\"version\":\"1\"},\"spec\":{\"env\":[]}}","id":"5f2b9c0a1d3e4f5a6b7c8d9e","run_id":"${RUN}"}`,
  );
  const decoded = understood(data);
  assert.deepEqual(decoded.resource, RESOURCE);
  assert.deepEqual(
    [decoded.run, decoded.event, decoded.message],
    [RUN, "create", "5f2b9c0a1d3e4f5a6b7c8d9e"],
  );
});

test("decodeEvent reads an event whose payload is an object", () => {
  const decoded = understood(event({ payload: RESOURCE }));
  assert.deepEqual(decoded.resource, RESOURCE);
  assert.deepEqual(JSON.parse(decoded.payload), RESOURCE);
});

test("decodeEvent keeps the resource's own text: big numbers, order of keys and unknown fields", () => {
  const text =
    '{"zeta": 12345678901234567890, "id":"1","name":"n","resource":"flutter-builder","spec":{"n":1.0,"b":1e400}}';
  assert.equal(understood(event({ payload: text })).payload, text);
  const data = Buffer.from(`{"payload": ${text} ,"event":"create","run_id":"${RUN}"}`);
  assert.equal(understood(data).payload, text);
});

test("decodeEvent takes what newer servers send in metadata", () => {
  const metadata = { driverresults: { a: { success: true } }, current_pipeline_step: "s", n: 1 };
  assert.deepEqual(understood(event({ payload: { ...RESOURCE, metadata } })).resource.metadata, metadata);
  assert.equal(understood(event({ payload: { ...RESOURCE, metadata: null } })).resource.metadata, null);
});

test("decodeEvent says whose an event is that it cannot understand, where that can be known", () => {
  const cases: [Buffer, RegExp][] = [
    [event({ payload: "{" }), /^The event's payload is not JSON: /],
    [event({ payload: "7" }), /^Invalid resource: .*expected object/],
    [event({ payload: 7 }), /^Invalid event: event\.payload: .*got 7/],
    [event({ payload: { ...RESOURCE, id: 7 } }), /^Invalid resource: resource\.id: expected string, .*got 7/],
    [event({ event: 7 }), /^Invalid event: event\.event: /],
    [
      event({ payload: { ...RESOURCE, resource: "other" } }),
      /^Invalid resource: .*expected "flutter-builder", got "other"/,
    ],
    [event({ payload: { ...RESOURCE, metadata: [] } }), /^Invalid resource: resource\.metadata: /],
    [
      event({ payload: JSON.stringify({ ...RESOURCE, spec: "x".repeat(MAX_RESOURCE_BYTES) }) }),
      /^Invalid resource: it has 7\d{5} bytes/,
    ],
    [
      event({ payload: `${"[".repeat(100_000)}${"]".repeat(100_000)}` }),
      /^The event's payload is nested 100000 deep/,
    ],
  ];
  for (const [data, expected] of cases) {
    const { problem, run } = broken(data);
    assert.match(problem, expected);
    assert.equal(run, RUN);
  }
});

test("decodeEvent knows nothing of an event without a run id that is a UUID", () => {
  const cases: [Buffer, RegExp][] = [
    [Buffer.from("not json"), /^The event is not JSON: /],
    [Buffer.from([0xff, 0xfe]), /^Invalid event: expected UTF-8/],
    [Buffer.from("[]"), /^Invalid event: /],
    [Buffer.from("null"), /^Invalid event: /],
    [Buffer.from(""), /^The event is not JSON: /],
    [event({ run_id: undefined }), /^Invalid event: event\.run_id: /],
    [event({ run_id: "" }), /^Invalid event: event\.run_id: /],
    [event({ run_id: 7 }), /^Invalid event: event\.run_id: /],
    [event({ run_id: "a.b.*" }), /^Invalid event: event\.run_id: expected a UUID, got "a\.b\.\*"/],
    [Buffer.from(`${"[".repeat(500_000)}`), /^The event is nested 500000 deep/],
    [Buffer.from(`{"__proto__":{"run_id":"${RUN}"}}`), /^Invalid event: event\.event: /],
  ];
  for (const [data, expected] of cases) {
    const { problem, run } = broken(data);
    assert.match(problem, expected);
    assert.equal(run, undefined);
  }
});

test("decodeEvent leaves out keys that would become a prototype when they are copied, and still echoes them", () => {
  for (const key of ["__proto__", "\\u005f_proto__"]) {
    const payload =
      `{"id":"1","name":"n","resource":"flutter-builder","${key}":{"x":1},"metadata":{"${key}":{"y":1}},"spec":{"a":{"${key}":{"z":1}}}}`;
    const decoded = understood(event({ payload }));
    assert.equal(decoded.payload, payload);
    assert.deepEqual(Object.assign({}, decoded.resource), {
      id: "1",
      name: "n",
      resource: "flutter-builder",
      metadata: {},
      spec: { a: {} },
    });
    assert.equal("x" in decoded.resource || "y" in (decoded.resource.metadata ?? {}), false);
  }
});

test("decodeEvent has an answer to any bytes", () => {
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 50 }),
    fc.json().map((text) => Buffer.from(text)),
    fc.record({
      event: fc.jsonValue(),
      payload: fc.oneof(fc.jsonValue(), fc.json()),
      run_id: fc.oneof(fc.constant(RUN), fc.jsonValue()),
    })
      .map((message) => Buffer.from(JSON.stringify(message))),
  );
  fc.assert(fc.property(anything, (data) => {
    const decoded = decodeEvent(data, TYPES);
    assert.ok("resource" in decoded || decoded.problem !== "");
  }));
});
