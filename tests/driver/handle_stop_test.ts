import assert from "node:assert/strict";
import { test } from "node:test";
import { HEADERS } from "../../lib/wire/headers.ts";
import { subjects } from "../../lib/wire/subjects.ts";
import { dockerAway, openStage, SETTINGS, succeed, until, within, workUntilStopped } from "./stage.ts";

test("a step is cancelled, times out or fails as the engine says when it is asked again", async () => {
  for (const reason of ["cancelled", "timeout", "disk-full"]) {
    await using stage = await openStage({
      engine: ({ attempt }) =>
        attempt === undefined ? { answer: "go", attempt: 1 } : { answer: "stop", reason },
    });
    stage.start(workUntilStopped, { ackWaitMs: 60 });
    await stage.send();
    const { result, headers } = await stage.result();
    assert.deepEqual([result.success, result.data.reason, headers[HEADERS.attempt]], [false, reason, "1"]);
  }
});

test("a step that was told to stop has stopped for that, whatever its driver throws then", async () => {
  await using stage = await openStage({
    engine: ({ attempt }) =>
      attempt === undefined ? { answer: "go", attempt: 1 } : { answer: "stop", reason: "cancelled" },
  });
  stage.start((context) => workUntilStopped(context).catch(() => Promise.reject(dockerAway())), {
    ackWaitMs: 60,
  });
  await stage.send();
  const { result } = await stage.result();
  assert.deepEqual([result.message, result.data.reason], ["Stopped: cancelled", "cancelled"]);
});

test("a nudge makes a driver ask at once", async () => {
  const told = { cancelled: false };
  await using stage = await openStage({
    engine: () => told.cancelled ? { answer: "stop", reason: "cancelled" } : { answer: "go", attempt: 1 },
  });
  const begun = Promise.withResolvers<void>();
  const instance = stage.start((context) => {
    begun.resolve();
    return workUntilStopped(context);
  });
  await instance.ready;
  const run = await stage.send();
  await begun.promise;
  told.cancelled = true;
  await stage.transport.broadcast(subjects.nudge(run), "");
  assert.equal((await stage.result()).result.data.reason, "cancelled");
});

test("a driver keeps its event and its claim as long as it works, also without an answer", async () => {
  const renewed = Promise.withResolvers<void>();
  await using stage = await openStage({
    engine: ({ attempt }, _, n) => {
      if (n === 12) renewed.resolve();
      return attempt !== undefined && n % 2 === 0 ? undefined : { answer: "go", attempt: 1 };
    },
  });
  let runs = 0;
  stage.start(async ({ signal }) => {
    runs++;
    await renewed.promise;
    assert.equal(signal.aborted, false);
    return succeed();
  }, { ackWaitMs: 90, concurrency: 2 });
  await stage.send();
  await stage.result();
  assert.equal(runs, 1);
  assert.deepEqual(new Set(stage.claims.slice(1).map((claim) => claim.attempt)), new Set([1]));
});

test("an attempt that was overtaken stops and publishes nothing", async () => {
  const answers = [{ answer: "stop", reason: "driver-lost" }, { answer: "done" }, {
    answer: "go",
    attempt: 2,
  }, { answer: "wait", retryMs: 1 }] as const;
  for (const answer of answers) {
    await using stage = await openStage({
      engine: ({ attempt }) => attempt === undefined ? { answer: "go", attempt: 1 } : answer,
    });
    const stopped = Promise.withResolvers<string>();
    stage.start(async (context) => {
      await workUntilStopped(context).catch((error) => stopped.resolve(error.reason));
      await context.log.write("stdout", new TextEncoder().encode("too late\n"));
      return succeed();
    }, { ackWaitMs: 60 });
    const run = await stage.send();
    assert.equal(await within(stopped.promise, "the stop"), "driver-lost");
    await until(async () => !await stage.transport.holds("messages", `${run}/build/1`), "the event is acked");
    assert.equal(stage.left(), 0);
    assert.deepEqual(await stage.messages(run), []);
  }
});

test("the operator's longest time is the deadline of what has no claim", async () => {
  await using stage = await openStage();
  stage.start(workUntilStopped, { settings: { ...SETTINGS, maxTimeoutMs: 30 } });
  await stage.send({ claims: false });
  assert.equal((await stage.result()).result.data.reason, "timeout");
});

test("a driver that does not heed its signal is not waited for", async () => {
  await using stage = await openStage({ engine: () => ({ answer: "go", attempt: 1, remainingMs: 20 }) });
  stage.start(() => new Promise(() => {}), { cleanupMs: 50 });
  await stage.send();
  assert.equal((await stage.result()).result.data.reason, "timeout");
});
