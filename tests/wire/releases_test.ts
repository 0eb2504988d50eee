import assert from "node:assert/strict";
import { test } from "node:test";
import { answerMac, ClaimRequest, progressProof, renewalProof } from "../../lib/wire/claim.ts";
import { HEADERS } from "../../lib/wire/headers.ts";
import { ids, isRunId } from "../../lib/wire/ids.ts";
import { DriverMessage, PipelineEvent } from "../../lib/wire/messages.ts";
import { Pipeline, ResourceDefinition } from "../../lib/wire/resource.ts";
import { openRequest } from "../../lib/wire/sealed-request.ts";
import { attemptKey, isSignedWith, signed } from "../../lib/wire/signature.ts";
import { consumers, matches, subjects } from "../../lib/wire/subjects.ts";

// Engine, drivers and clients of different releases work together: what they compute for each other is
// written down here.

const RUN = "0fd90212-1e83-4506-b2a0-58d7a27b2831";

test("a request that another release has sealed is opened, and answered as it expects", () => {
  const opened = openRequest(
    "a-token-of-the-control-plane",
    "Sealed 1800000000.VQsD_lys3rIfdZSslX06Sw.Wsjzvkgjas2ZMcrBsKJbpA",
    {
      method: "POST",
      path: "/runs?x=1",
      now: 1_800_000_000_000,
      body: Buffer.from("2DZa1sRl4g", "base64url"),
    },
  );
  assert.equal(opened?.body.toString(), '{"a":1}');
  assert.equal(opened?.proof(201), "Ya_AqSgwmjpdEzmpvtFC0Y_p_fcj8gR1By8SbPLb74o");
});

test("keys, signatures and proofs of an attempt are those of other releases", () => {
  const key = attemptKey(new Uint8Array(32).fill(7), "r", "s", "1");
  assert.equal(key, "ShdfK8nVl1QTxiaHrs4W-zJUzY4estU3CLc7y0WIIPo");
  const request = ClaimRequest.parse({
    ...{ step: "s", event: "e", delivery: 1, instance: "i", host: "h" },
    ...{ nonce: "n", letsGo: true, progress: "{}" },
  });
  assert.equal(renewalProof(key, request), "OhW_HNI52tdCQg-8T4bVxwJFB4pula4oyab1hKHliiY");
  assert.equal(progressProof(key, request), "GFM7ZyT4TjKV_lUSVWxB4gz98clFaIgb-Ba-bR86CLU");
  assert.equal(
    answerMac(key, "n", { answer: "go", attempt: 1, secrets: { A: "b" }, remainingMs: 5 }),
    "itF5ibYZkofqeaOoVA2CcpobKYmbFx3-_CdJasWFpgs",
  );
  const message = { subject: "logs.r", id: "r/s/1/1", headers: { [HEADERS.step]: "s" } };
  const headers = signed(key, message, "body");
  assert.deepEqual(headers, {
    "Conveyor-Step": "s",
    "Conveyor-Digest": "Iw2DWNyOiJC0xY3utikS7i8gNXrpKlzIYbmOaP4xrLU",
    "Conveyor-Signature": "pe4WmTQI7KFLf8-NqjGUF2p8wcZuR-uzcum-9VDDvas",
  });
  for (const changed of [{ subject: "logs.s" }, { id: "r/s/1/2" }, { id: undefined }]) {
    assert.equal(isSignedWith(key, { ...message, ...changed, headers }), false);
  }
});

test("an instance that claims says the delivery, from 1", () => {
  const claim = { step: "s", event: "e", instance: "i", host: "h" };
  assert.equal(ClaimRequest.safeParse({ ...claim, delivery: 1, attempt: 1 }).success, true);
  for (const wrong of [{ delivery: 0 }, { delivery: 1.5 }, {}, { delivery: 1, attempt: 0 }]) {
    assert.equal(ClaimRequest.safeParse({ ...claim, ...wrong }).success, false, JSON.stringify(wrong));
  }
  const progress = (length: number) =>
    ClaimRequest.safeParse({ ...claim, delivery: 1, progress: "x".repeat(length) }).success;
  assert.deepEqual([progress(16_384), progress(16_385)], [true, false]);
});

test("a message names its run", () => {
  const event = (run_id: string) =>
    DriverMessage.safeParse({ event: "create", payload: "{}", run_id }).success;
  assert.deepEqual([event("r"), event("")], [true, false]);
  const told = { event: "driver.result", resource: { id: "1", name: "n", resource: "t", spec: {} } };
  const driverresult = { success: true, message: null, driver: "d" };
  const result = (run_id: string) => PipelineEvent.safeParse({ ...told, driverresult, run_id });
  assert.deepEqual([result("r").success, result("").success], [true, false]);
  assert.equal(result("r").data?.driverresult.message, "");
});

test("a pipeline and a resource type have names of one character at least, and steps that can be addressed", () => {
  const steps = [{ id: "s", name: "", driver: "d" }];
  assert.equal(Pipeline.safeParse({ name: "p", resource: "t", steps }).success, true);
  for (const wrong of [{ name: "" }, { resource: "" }, { steps: [{ id: "a.b", name: "", driver: "d" }] }]) {
    assert.equal(Pipeline.safeParse({ name: "p", resource: "t", steps, ...wrong }).success, false);
  }
  const timed = (timeout: number) =>
    Pipeline.safeParse({ name: "p", resource: "t", steps: [{ ...steps[0], timeout }] }).success;
  assert.deepEqual([1, 0, 1.5].map(timed), [true, false, false]);
  const type = { name: "t", schema: {} };
  assert.equal(ResourceDefinition.safeParse({ ...type, pipeline: "p", drivers: ["d"] }).success, true);
  for (const wrong of [{ pipeline: "" }, { drivers: [] }, { drivers: [""] }]) {
    assert.equal(ResourceDefinition.safeParse({ ...type, ...wrong }).success, false, JSON.stringify(wrong));
  }
});

test("matches takes a star for one token, and a greater-than for one or more", () => {
  const cases: [filter: string, subject: string, boolean][] = [
    ["a.b", "a.b", true],
    ["a.b", "a.c", false],
    ["a.b", "a.b.c", false],
    ["a.b.c", "a.b", false],
    ["a.*", "a.b", true],
    ["a.*", "a", false],
    ["a.*", "a.b.c", false],
    ["*.b", "a.b", true],
    ["a.>", "a.b", true],
    ["a.>", "a.b.c", true],
    ["a.>", "a", false],
    [">", "a", true],
  ];
  for (const [filter, subject, expected] of cases) {
    assert.equal(matches(filter, subject), expected, `${filter} ${subject}`);
  }
});

test("ids and subjects of a run are the same in every release", () => {
  assert.equal(ids.event(RUN, "build", 2), `${RUN}/build/2`);
  assert.equal(ids.forwarded(ids.event(RUN, "build", 2), "h"), `${RUN}/build/2@h`);
  assert.equal(ids.logBatch(RUN, "build", 1, 7), `${RUN}/build/1/7`);
  assert.equal(subjects.stepOnHost("d", "h", "t"), "drivers.d.hosts.h.resources.t");
  assert.equal(matches(subjects.claims, subjects.claim(RUN, "d")), true);
  assert.equal(matches(subjects.alives, subjects.alive(RUN)), true);
  assert.equal(consumers.onHost("d", "h"), "d_at_h");
  assert.deepEqual([RUN, RUN.toUpperCase(), `${RUN}0`, `x${RUN}`, ""].map(isRunId), [
    ...[true, true, false, false, false],
  ]);
});
