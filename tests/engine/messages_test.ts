import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { subjects } from "../../lib/wire/subjects.ts";
import { drive, OK } from "./support/drive.ts";
import { RUN, submission } from "./support/runs.ts";
import { resultEvent } from "./support/scripted-driver.ts";
import { brief, endOf, eventsOf, openWorld } from "./support/world.ts";

test("an engine is not held up by messages that nobody can handle", async () => {
  await using world = await openWorld();
  const engine = await world.engine();
  const run = await engine.submit(submission("a"));
  const { resource } = submission("a");
  const bad = [
    "{",
    "[]",
    "null",
    '{"event":"driver.result"}',
    resultEvent(randomUUID(), resource, "a", OK),
    resultEvent("no uuid", resource, "a", OK),
    JSON.stringify({ event: "x", run_id: run, resource: "none", driverresult: { driver: "a" } }),
  ];
  for (const [i, data] of bad.entries()) {
    await world.transport.publish(subjects.result, data, { id: `bad-${i}` });
  }
  await world.transport.publish("pipelines.something.else", resultEvent(run, resource, "a", OK), {
    id: "else",
  });
  await drive(world, "a");
  await endOf(engine, run);
  for (const id of [...bad.keys()].map((i) => `bad-${i}`).concat("else")) {
    assert.equal(await world.transport.holds("pipeline-engine", id), false, `${id} is still there`);
  }
});

test("an engine answers a claim of an unknown run, and one that makes no sense, with stop", async () => {
  await using world = await openWorld();
  await world.engine();
  const ask = async (data: string) => {
    const answer = await world.transport.request(subjects.claim(RUN, "a"), data, { timeoutMs: 1000 });
    return JSON.parse(new TextDecoder().decode(answer));
  };
  const claim = { step: "a", event: `${RUN}/a/1`, delivery: 1, instance: "i", host: "h" };
  assert.deepEqual(await ask(JSON.stringify(claim)), { answer: "stop", reason: "cancelled" });
  for (const nonsense of ["{", "7", "{}", JSON.stringify({ ...claim, delivery: 0 })]) {
    assert.deepEqual(await ask(nonsense), { answer: "stop", reason: "invalid-event" });
  }
});

test("an engine fails a run whose secrets it cannot unseal, and does not start it without them", async () => {
  await using world = await openWorld();
  const first = await world.engine();
  const run = await first.submit(submission("a b!", { secrets: { TOKEN: "x" } }));
  await first[Symbol.asyncDispose]();
  const engine = await world.engine({ sealKey: new Uint8Array(32) });
  let begun = 0;
  await drive(world, "a", () => (begun++, OK));
  await drive(world, "b");
  const end = await endOf(engine, run);
  assert.equal(end.outcome, "failed");
  assert.match(end.message, /Cannot unseal the secrets/);
  assert.equal(begun, 0);
});

test("an engine starts the run that a Conveyor server asks for, once", async () => {
  await using world = await openWorld();
  const engine = await world.engine();
  await world.store.pipelines.put("line", submission("a b").pipeline, 0);
  for (const driver of ["a", "b"]) await drive(world, driver);
  const resource = { ...submission("a").resource, pipeline: "line" };
  const init = (run: string, changes: object = {}) =>
    JSON.stringify({
      event: "create",
      run_id: run,
      resource: { ...resource, ...changes },
      driverresult: { success: false, message: "", data: null, driver: "" },
    });
  const unknown = randomUUID();
  await world.transport.publish(subjects.pipelineInit, init(unknown, { pipeline: "none" }), {
    id: "unknown",
  });
  await world.transport.publish(subjects.pipelineInit, init(randomUUID(), { resource: "other" }), {
    id: "type",
  });
  const ids = ["first", "second"];
  for (const id of ids) await world.transport.publish(subjects.pipelineInit, init(RUN), { id });
  await drive(world, "x");
  // Its turn comes after theirs: the stream is in order.
  const after = await engine.submit(submission("x"));
  await endOf(engine, after);
  const events = await eventsOf(engine, RUN);
  assert.deepEqual(events.map(brief).filter((text) => text.startsWith("end")), ["end succeeded"]);
  assert.equal(await world.store.runs.get(unknown), undefined);
  for (const id of [...ids, "unknown", "type"]) {
    assert.equal(await world.transport.holds("pipeline-engine", id), false);
  }
});
