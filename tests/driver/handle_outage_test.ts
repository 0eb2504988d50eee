import assert from "node:assert/strict";
import { test } from "node:test";
import type { Transport } from "../../lib/backend/transport.ts";
import { Retryable } from "../../lib/base/errors.ts";
import { subjects } from "../../lib/wire/subjects.ts";
import { bound, openStage, succeed, until, workUntilStopped } from "./stage.ts";

/** The transport with a publish that fails for these subjects until the test mends it. */
function broken(transport: Transport, subject: string, reason: string) {
  const state = { isBroken: true, tries: 0 };
  const publish: Transport["publish"] = (to, ...rest) => {
    if (!to.startsWith(subject) || !state.isBroken) return transport.publish(to, ...rest);
    state.tries++;
    return Promise.reject(new Retryable("The store does not answer", { reason }));
  };
  const publishAll: Transport["publishAll"] = async (to, messages) => {
    for (const { data, ...options } of messages) await publish(to, data, options);
  };
  return { transport: { ...bound(transport), publish, publishAll }, state };
}

test("a result that cannot be sent is tried again while its event is kept, and the work is not done again", async () => {
  let outage: ReturnType<typeof broken> | undefined;
  await using stage = await openStage({
    through: (transport) => (outage = broken(transport, subjects.result, "transport-unreachable")).transport,
  });
  let runs = 0;
  stage.start(() => Promise.resolve(succeed(String(++runs))), { ackWaitMs: 150 });
  await stage.send();
  await until(() => (outage?.state.tries ?? 0) >= 4, "some tries");
  assert.equal(stage.left(), 0);
  if (outage) outage.state.isBroken = false;
  assert.equal((await stage.result()).result.message, "1");
  assert.equal(runs, 1);
});

test("a log that cannot be stored makes the step wait, and is whole in the end", async () => {
  let outage: ReturnType<typeof broken> | undefined;
  await using stage = await openStage({
    through: (transport) => (outage = broken(transport, "logs.", "transport-unreachable")).transport,
  });
  const lines = Array.from({ length: 30_000 }, (_, i) => `line ${i} ${"x".repeat(80)}`);
  let isWritten = false;
  stage.start(async ({ log }) => {
    await log.write("stdout", new TextEncoder().encode(lines.join("\n")));
    isWritten = true;
    return succeed();
  });
  const run = await stage.send();
  await until(() => (outage?.state.tries ?? 0) >= 3, "some tries");
  assert.deepEqual([isWritten, stage.left()], [false, 0]);
  if (outage) outage.state.isBroken = false;
  assert.equal((await stage.result()).result.success, true);
  assert.deepEqual(await stage.messages(run), lines);
});

test("a full disk fails the step at once, and names itself", async () => {
  await using stage = await openStage({
    through: (transport) => broken(transport, "logs.", "disk-full").transport,
  });
  let runs = 0;
  stage.start(async ({ log }) => {
    runs++;
    const block = new TextEncoder().encode("x".repeat(99) + "\n");
    for (;;) await log.write("stdout", block);
  });
  await stage.send();
  const { result } = await stage.result();
  assert.deepEqual([runs, result.success, result.data.reason, result.message], [
    1,
    false,
    "disk-full",
    "The store does not answer",
  ]);
});

test("a step that was told to stop does not wait for ever for a log that cannot be stored", async () => {
  await using stage = await openStage({
    engine: () => ({ answer: "go", attempt: 1, remainingMs: 20 }),
    through: (transport) => broken(transport, "logs.", "transport-unreachable").transport,
  });
  stage.start(async (context) => {
    await context.log.line("never stored");
    return await workUntilStopped(context);
  }, { reportMs: 50 });
  await stage.send();
  const { result } = await stage.result();
  assert.equal(result.message, "Stopped: timeout (the end of its log could not be stored)");
  assert.equal(result.data.reason, "timeout");
});

test("a driver that waits for its log to be stored is let go when it was told to stop", async () => {
  await using stage = await openStage({
    engine: () => ({ answer: "go", attempt: 1, remainingMs: 20 }),
    through: (transport) => broken(transport, "logs.", "transport-unreachable").transport,
  });
  stage.start(async ({ log }) => {
    const block = new TextEncoder().encode("x".repeat(99) + "\n");
    for (;;) await log.write("stdout", block);
  }, { reportMs: 50, cleanupMs: 60_000 });
  await stage.send();
  assert.equal((await stage.result()).result.data.reason, "timeout");
});

test("a driver that does nothing but write hears that it was told to stop", async () => {
  await using stage = await openStage({ engine: () => ({ answer: "go", attempt: 1, remainingMs: 20 }) });
  let heard = false;
  stage.start(async ({ log, signal }) => {
    const block = new TextEncoder().encode("x".repeat(99) + "\n");
    for (let i = 0; i < 2_000_000 && !signal.aborted; i++) await log.write("stdout", block);
    heard = signal.aborted;
    return succeed();
  });
  await stage.send();
  await stage.result();
  assert.ok(heard);
});

test("an event whose result could not be sent is not acked, and goes to another instance", async () => {
  await using stage = await openStage({
    through: (transport) => broken(transport, subjects.result, "transport-unreachable").transport,
  });
  const done = Promise.withResolvers<void>();
  const instance = stage.start(() => {
    done.resolve();
    return Promise.resolve(succeed());
  });
  await stage.send();
  await done.promise;
  await instance.drain(0);
  stage.start(({ attempt }) => Promise.resolve(succeed(`attempt ${attempt}`)), {
    transport: stage.transport,
  });
  assert.equal((await stage.result()).result.message, "attempt 2");
});
