import assert from "node:assert/strict";
import { test } from "node:test";
import type { FaultPoint } from "../../lib/base/faults.ts";
import type { Context } from "../../lib/driver/driver.ts";
import { HEADERS } from "../../lib/wire/headers.ts";
import { ids } from "../../lib/wire/ids.ts";
import { changed, openStage, SETTINGS, succeed, TYPE, until, within } from "./stage.ts";

test("a driver's result reaches the engine with the resource unchanged, the step and the attempt", async () => {
  await using stage = await openStage();
  stage.start(() => Promise.resolve(succeed("built", { a: 1 })));
  const payload =
    '{"zeta":12345678901234567890,"id":"r-1","name":"app","resource":"flutter-builder","spec":{"n":1.0}}';
  const run = await stage.send({ payload });
  const sent = await stage.result();
  assert.equal(sent.id, ids.result(run, "build", 1));
  assert.deepEqual(sent.headers, { [HEADERS.step]: "build", [HEADERS.attempt]: "1" });
  assert.equal(
    sent.text,
    `{"event":"driver.result","run_id":"${run}","resource":${payload},` +
      `"driverresult":{"success":true,"message":"built","data":{"a":1},"driver":"builder"}}`,
  );
});

test("a driver is given everything that it may know of its step", async () => {
  await using stage = await openStage({
    engine: () => ({ answer: "go", attempt: 3, remainingMs: 60_000, secrets: { TOKEN: "swordfish" } }),
  });
  const seen = Promise.withResolvers<Context>();
  stage.start((context) => {
    seen.resolve(context);
    return Promise.resolve(succeed());
  });
  const earlier = {
    success: true,
    message: "up",
    data: { containerID: "c0ffee" },
    driver: "container-start",
  };
  const metadata = { "driverresults.container-start": JSON.stringify(earlier) };
  const before = Date.now();
  const run = await stage.send({ metadata, spec: { env: [] }, event: "update" });
  const context = await within(seen.promise, "the driver");
  await stage.result();
  assert.deepEqual(
    [context.run, context.step, context.event, context.attempt, context.claimed],
    [run, "build", "update", 3, true],
  );
  assert.deepEqual(context.resource, {
    id: "r-1",
    name: "app",
    pipeline: "flutter",
    resource: TYPE,
    metadata,
    spec: { env: [] },
  });
  assert.deepEqual(JSON.parse(context.payload), context.resource);
  assert.deepEqual(context.results, { "container-start": earlier });
  assert.deepEqual(context.secrets, { TOKEN: "swordfish" });
  assert.equal(context.settings, SETTINGS);
  assert.ok((context.deadline ?? 0) >= before + 60_000 && (context.deadline ?? 0) <= Date.now() + 60_000);
});

test("an instance says who it is when it claims", async () => {
  await using stage = await openStage();
  stage.start(() => Promise.resolve(succeed()), { instance: "me" });
  const run = await stage.send();
  await stage.result();
  const [{ digest, ...claim } = {}, ...more] = stage.claims;
  assert.match(digest ?? "", /^[\w-]{43}$/);
  assert.deepEqual([claim, ...more], [{
    step: "build",
    event: `${run}/build/1`,
    delivery: 1,
    instance: "me",
    host: "here",
  }]);
});

test("every line of a step's log is stored before its result is sent", async () => {
  await using stage = await openStage();
  const lines = Array.from({ length: 3000 }, (_, i) => `line ${i}`);
  stage.start(async ({ log }) => {
    await log.line("begin");
    await log.write("stdout", new TextEncoder().encode(lines.join("\n")));
    return succeed();
  });
  const run = await stage.send();
  await stage.result();
  const log = await stage.log(run);
  assert.deepEqual(log.map((line) => line.message), ["begin", ...lines]);
  const { runid, driver, pipeline, step, stream } = log[5] ?? {};
  assert.deepEqual({ runid, driver, pipeline, step, stream }, {
    runid: run,
    driver: "builder",
    pipeline: "flutter",
    step: "build",
    stream: "stdout",
  });
});

test("anything else that a driver throws is a driver-error, and never tried again", async () => {
  await using stage = await openStage();
  let runs = 0;
  stage.start(() => {
    runs++;
    return Promise.reject("just a text");
  });
  const run = await stage.send();
  const { result } = await stage.result();
  assert.deepEqual([result.success, result.data.reason], [false, "driver-error"]);
  await until(async () => !await stage.transport.holds("messages", `${run}/build/1`), "the event is acked");
  assert.equal(runs, 1);
});

test("an artifact is stored under the run", async () => {
  await using stage = await openStage();
  stage.start(async ({ putArtifact }) => {
    const stored = await putArtifact(
      "out/a.txt",
      (async function* () {
        yield await Promise.resolve(new TextEncoder().encode("bytes"));
      })(),
      { mode: 0o755 },
    );
    return succeed("", stored);
  });
  const run = await stage.send();
  const { result } = await stage.result();
  assert.deepEqual(await stage.embedded.store.artifacts.list(run), [{
    name: "out/a.txt",
    size: 5,
    sha256: String(result.data.sha256),
    mode: 0o755,
  }]);
});

test("the boundaries of an event are passed in their order, each with the step's id", async () => {
  const passed: [FaultPoint, string | undefined][] = [];
  await using stage = await openStage();
  const instance = stage.start((context) => {
    context.faultPoint("command-ended");
    return Promise.resolve(succeed());
  }, { faultPoint: (point, step) => passed.push([point, step]) });
  await stage.send();
  await stage.result();
  await instance.drain(1000);
  assert.deepEqual(
    passed,
    ["pulled", "decoded", "claimed", "command-ended", "reconciled", "logged", "result-published", "acked"]
      .map((point) => [point, "build"]),
  );
});

test("an event of a Conveyor server that waited too long for its driver fails unseen, and says so", async () => {
  const day = 86_400_000;
  let storedAt = 0;
  await using stage = await openStage({ through: (transport) => changed(transport, () => ({ storedAt })) });
  let calls = 0;
  const reconcile = () => {
    calls++;
    return Promise.resolve(succeed());
  };
  stage.start(reconcile, { maxEventAgeMs: 7 * day, clock: () => 100 * day });
  storedAt = 60 * day;
  await stage.send({ claims: false });
  const { result } = await stage.result();
  assert.deepEqual([result.success, result.data["reason"]], [false, "timeout"]);
  assert.match(
    result.message,
    /waited for \S.* before a driver took it: expected \S.* at most \(--max-event-age\)/,
  );
  // With claims, the engine knows whether anybody waits for it.
  await stage.send();
  assert.equal((await stage.result()).result.success, true);
  storedAt = 99 * day;
  await stage.send({ claims: false });
  assert.equal((await stage.result()).result.success, true);
  assert.equal(calls, 2);
});

test("an instance that takes events with claims only refuses one without, and works on it never", async () => {
  await using stage = await openStage();
  let calls = 0;
  const settled: string[] = [];
  const observer = { settled: (as: string) => void settled.push(as), reconciled() {} };
  stage.start(() => {
    calls++;
    return Promise.resolve(succeed());
  }, { claimsOnly: true, observer });
  await stage.send({ claims: false });
  await stage.send();
  await stage.result();
  assert.deepEqual([calls, stage.left()], [1, 0]);
  await until(() => settled.length === 2, "both events are counted");
  assert.deepEqual(settled, ["refused", "succeeded"]);
});
