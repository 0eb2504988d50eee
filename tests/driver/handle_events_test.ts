import assert from "node:assert/strict";
import { test } from "node:test";
import { HEADERS } from "../../lib/wire/headers.ts";
import { ids } from "../../lib/wire/ids.ts";
import { consumers, subjects } from "../../lib/wire/subjects.ts";
import { openStage, succeed, TYPE, until } from "./stage.ts";

test("an event that cannot be understood fails its step, and never comes again", async () => {
  await using stage = await openStage();
  let runs = 0;
  stage.start(() => Promise.resolve(succeed(String(++runs))));
  const run = await stage.send({ payload: "{" });
  const { result, resource, headers } = await stage.result();
  assert.deepEqual([result.success, result.data.reason], [false, "invalid-event"]);
  assert.match(result.message, /^The event's payload is not JSON/);
  assert.deepEqual(resource, {
    id: "",
    name: "",
    resource: TYPE,
    metadata: { current_pipeline_step: "build" },
    spec: null,
  });
  assert.deepEqual(headers, { [HEADERS.step]: "build", [HEADERS.attempt]: "1" });
  await until(async () => !await stage.transport.holds("messages", `${run}/build/1`), "the event has ended");
  assert.equal(runs, 0);
});

test("an event of which nothing can be known ends without a result, and the next one is handled", async () => {
  await using stage = await openStage();
  await stage.start(() => Promise.resolve(succeed())).ready;
  const data = [
    "not json",
    new Uint8Array([0xff, 0x00]),
    "[".repeat(900_000),
    '{"event":"create","payload":"{}","run_id":"../../x"}',
  ];
  for (const [i, bad] of data.entries()) await stage.send({ data: bad, id: `bad-${i}` });
  await stage.send({ step: "good" });
  assert.equal((await stage.result()).headers[HEADERS.step], "good");
  for (const i of data.keys()) assert.equal(await stage.transport.holds("messages", `bad-${i}`), false);
  assert.equal(stage.left(), 0);
});

test("an event of a run that lives on another host is sent there and not worked on", async () => {
  await using stage = await openStage();
  const there = {
    stream: "messages",
    name: consumers.onHost("builder", "there"),
    filters: [subjects.stepOnHost("builder", "there", TYPE)],
    ackWaitMs: 30_000,
  } as const;
  let runs = 0;
  stage.start(() => Promise.resolve(succeed(String(++runs))));
  const run = "fbab31f6-a278-4a8f-96be-ac49b007ca65";
  const started = { success: true, message: "", data: { host: "there", run } };
  await stage.send({ run, metadata: { "driverresults.container-start": JSON.stringify(started) } });
  const ending = new AbortController();
  for await (const delivery of stage.transport.consume(there, { signal: ending.signal })) {
    assert.equal(delivery.id, ids.forwarded(`${run}/build/1`, "there"));
    assert.deepEqual(delivery.headers, { [HEADERS.claims]: "1", [HEADERS.step]: "build" });
    await delivery.ack();
    ending.abort();
  }
  await until(async () => !await stage.transport.holds("messages", `${run}/build/1`), "the event is acked");
  assert.deepEqual([runs, stage.claims.length, stage.left()], [0, 0, 0]);
});

test("an event stays where an earlier run's container was elsewhere, and where it was addressed to this host", async () => {
  await using stage = await openStage();
  stage.start(() => Promise.resolve(succeed()));
  const run = "fbab31f6-a278-4a8f-96be-ac49b007ca65";
  const started = (of: string, host = "there") => ({
    "driverresults.container-start": JSON.stringify({ success: true, message: "", data: { host, run: of } }),
  });
  await stage.send({ run, step: "a", metadata: started("another-run") });
  assert.equal((await stage.result()).headers[HEADERS.step], "a");
  await stage.send({ run, step: "b", metadata: started(run, "no token") });
  assert.equal((await stage.result()).headers[HEADERS.step], "b");
  await stage.send({
    run,
    step: "c",
    metadata: started(run),
    subject: subjects.stepOnHost("builder", "here", TYPE),
  });
  assert.equal((await stage.result()).headers[HEADERS.step], "c");
});
