import assert from "node:assert/strict";
import { test } from "node:test";
import type { Transport } from "../../lib/backend/transport.ts";
import { Retryable, StepFailure } from "../../lib/base/errors.ts";
import type { FaultPoint } from "../../lib/base/faults.ts";
import type { Context } from "../../lib/driver/driver.ts";
import type { ClaimReply, ClaimRequest } from "../../lib/wire/claim.ts";
import { HEADERS } from "../../lib/wire/headers.ts";
import { ids } from "../../lib/wire/ids.ts";
import { consumers, subjects } from "../../lib/wire/subjects.ts";
import {
  bound,
  dockerAway,
  openStage,
  SETTINGS,
  succeed,
  TYPE,
  until,
  within,
  workUntilStopped,
} from "./stage.ts";

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
  assert.deepEqual(stage.claims, [{
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

test("a secret of the claim leaves neither in the log nor in a result nor in an error", async () => {
  await using stage = await openStage({
    engine: () => ({ answer: "go", attempt: 1, secrets: { TOKEN: "swordfish", PIN: "12" } }),
  });
  stage.start(async ({ log, secrets }) => {
    await log.line(`the token is ${secrets.TOKEN}`);
    throw new Error(`git said: ${btoa(`user:${secrets.TOKEN}`)}`);
  });
  const run = await stage.send();
  const { result, text } = await stage.result();
  assert.equal(result.message, 'Driver "builder" failed unexpectedly: git said: dXNlcjp***');
  assert.ok(!text.includes("swordfish"));
  assert.deepEqual(await stage.messages(run), [
    'Secret "PIN" is too short to be masked: expected 3 characters at least',
    "the token is ***",
  ]);
});

test("a named failure becomes a failed result with its reason and its facts", async () => {
  await using stage = await openStage();
  stage.start(() => {
    throw new StepFailure("Command 2 ended with 7", { reason: "command-failed", data: { exitCode: 7 } });
  });
  await stage.send();
  const { result } = await stage.result();
  assert.deepEqual(result, {
    success: false,
    message: "Command 2 ended with 7",
    data: { exitCode: 7, reason: "command-failed" },
    driver: "builder",
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

test("a result that is none, or too large, is replaced by a failed one that says so", async () => {
  await using stage = await openStage();
  const answers = [undefined, { success: true, message: "", data: "x".repeat(70_000) }];
  stage.start(() => Promise.resolve(answers.shift() as never));
  await stage.send();
  assert.match((await stage.result()).result.message, /answered what is no result: expected an object/);
  await stage.send();
  assert.match((await stage.result()).result.message, /data has 68\.4 KiB, expected 64\.0 KiB at most/);
});

test("a step whose engine says done or stop is left alone, and its event is acked", async () => {
  for (const answer of [{ answer: "done" }, { answer: "stop", reason: "cancelled" }] as const) {
    await using stage = await openStage({ engine: () => answer });
    let runs = 0;
    stage.start(() => Promise.resolve(succeed(String(++runs))));
    const run = await stage.send();
    await until(() => stage.claims.length === 1, "the claim is asked");
    await until(async () => !await stage.transport.holds("messages", `${run}/build/1`), "the event is acked");
    assert.deepEqual([runs, stage.left()], [0, 0]);
  }
});

test("a step whose engine says wait comes again until it may begin", async () => {
  await using stage = await openStage({
    engine: (_, __, n) => n < 3 ? { answer: "wait", retryMs: 1 } : { answer: "go", attempt: 2 },
  });
  stage.start(({ attempt }) => Promise.resolve(succeed(`attempt ${attempt}`)));
  await stage.send();
  assert.equal((await stage.result()).result.message, "attempt 2");
  assert.deepEqual(stage.claims.map((claim) => claim.delivery), [1, 2, 3]);
});

test("a step whose engine does not answer, or not in words, is not begun, and comes again", async () => {
  await using stage = await openStage({
    engine: (_, __, n) =>
      n === 1 ? undefined : n === 2 ? ({ answer: "maybe" } as never) : { answer: "go", attempt: 1 },
  });
  let runs = 0;
  stage.start(() => Promise.resolve(succeed(String(++runs))), { ackWaitMs: 600 });
  await stage.send();
  assert.equal((await stage.result()).result.message, "1");
  assert.equal(stage.claims.length, 3);
});

test("an event without claims is handled straight on, as the attempt of its delivery", async () => {
  await using stage = await openStage();
  const contexts: Context[] = [];
  stage.start((context) => {
    contexts.push(context);
    return context.attempt === 1 ? Promise.reject(dockerAway()) : Promise.resolve(succeed());
  });
  const run = await stage.send({ claims: false });
  const sent = await stage.result();
  assert.deepEqual(contexts.map(({ attempt, claimed, step }) => [attempt, claimed, step]), [[
    1,
    false,
    "builder",
  ], [2, false, "builder"]]);
  assert.equal(sent.headers[HEADERS.attempt], undefined);
  assert.deepEqual(stage.claims, []);
  assert.deepEqual(await stage.messages(run), [
    "Cannot reach Docker: the step will be tried again",
    "Attempt 2: the last lines of the one before may be missing",
  ]);
});

test("the step's id is taken from the header, else from the metadata, else it is the driver's name", async () => {
  await using stage = await openStage();
  stage.start(({ step }) => Promise.resolve(succeed(step)));
  const seen = async () => (await stage.result()).result.message;
  await stage.send({ step: "from-header", metadata: { current_pipeline_step: "from-metadata" } });
  assert.equal(await seen(), "from-header");
  await stage.send({ claims: false, metadata: { current_pipeline_step: "from-metadata" } });
  assert.equal(await seen(), "from-metadata");
  await stage.send({ claims: false, metadata: { current_pipeline_step: "no token: *" } });
  assert.equal(await seen(), "builder");
});

test("a driver that stands twice in a pipeline of a server without claims sends two results and two logs", async () => {
  await using stage = await openStage();
  stage.start(async ({ log }) => {
    await log.line("working");
    return succeed();
  });
  const run = await stage.send({ claims: false, id: "message-1" });
  await stage.send({ claims: false, id: "message-2", run });
  const sent = [await stage.result(), await stage.result()];
  assert.notEqual(sent[0]?.id, sent[1]?.id);
  assert.deepEqual(await stage.messages(run), ["working", "working"]);
});

test("machinery that fails is tried again as the next attempt, and at last the step fails for it", async () => {
  await using stage = await openStage();
  const attempts: number[] = [];
  stage.start(({ attempt }) => {
    attempts.push(attempt);
    throw dockerAway();
  });
  await stage.send({ run: "fbab31f6-a278-4a8f-96be-ac49b007ca65" });
  const { result, headers } = await stage.result();
  assert.deepEqual(attempts, [1, 2, 3, 4, 5]);
  assert.equal(headers[HEADERS.attempt], "5");
  const letGo = stage.claims.filter((claim) => claim.letsGo).map(({ attempt }) => attempt);
  assert.deepEqual(letGo, [1, 2, 3, 4], "the engine hears that an attempt is over");
  assert.deepEqual(result, {
    success: false,
    message: "Cannot reach Docker (given up after 5 attempts)",
    data: { reason: "docker-unreachable" },
    driver: "builder",
  });
});

test("tries are counted since the run's last fresh start, attempts go on", async () => {
  const engine = ({ attempt }: ClaimRequest): ClaimReply => (
    { answer: "go", attempt: attempt ?? 9, tries: 1 }
  );
  await using stage = await openStage({ engine });
  let first = true;
  stage.start(({ attempt }) => {
    if (!first) return Promise.resolve({ success: true, message: `Attempt ${attempt}` });
    first = false;
    throw dockerAway();
  });
  await stage.send();
  assert.equal((await stage.result()).result.message, "Attempt 9");
});

test("an event that ended every driver so far is not tried for ever", async () => {
  await using stage = await openStage({ engine: () => ({ answer: "go", attempt: 6 }) });
  let runs = 0;
  stage.start(() => Promise.resolve(succeed(String(++runs))));
  await stage.send();
  const { result } = await stage.result();
  assert.deepEqual([runs, result.success, result.data.reason], [0, false, "driver-lost"]);
  assert.equal(result.message, "Given up: 5 attempts came to no end");
});

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

test("a deadline stops the work although the engine is silent", async () => {
  await using stage = await openStage({ engine: () => ({ answer: "go", attempt: 1, remainingMs: 30 }) });
  stage.start(workUntilStopped);
  await stage.send();
  const { result } = await stage.result();
  assert.deepEqual([result.success, result.data.reason], [false, "timeout"]);
});

test("the operator's longest time is the deadline of what has no claim", async () => {
  await using stage = await openStage();
  stage.start(workUntilStopped, { settings: { ...SETTINGS, maxTimeoutMs: 30 } });
  await stage.send({ claims: false });
  assert.equal((await stage.result()).result.data.reason, "timeout");
});

test("cleaning up goes on after a stop, and what a driver then answers counts", async () => {
  await using stage = await openStage({ engine: () => ({ answer: "go", attempt: 1, remainingMs: 20 }) });
  stage.start(async (context) => {
    await workUntilStopped(context).catch(() => {});
    const signalled = await context.cleanup((signal) => Promise.resolve(signal.aborted));
    await context.log.line("cleaned up");
    throw new StepFailure("Timed out, cleaned up", { reason: "timeout", data: { signalled } });
  });
  const run = await stage.send();
  const { result } = await stage.result();
  assert.deepEqual([result.message, result.data], ["Timed out, cleaned up", {
    signalled: false,
    reason: "timeout",
  }]);
  assert.deepEqual(await stage.messages(run), ["cleaned up"]);
});

test("a driver that does not heed its signal is not waited for", async () => {
  await using stage = await openStage({ engine: () => ({ answer: "go", attempt: 1, remainingMs: 20 }) });
  stage.start(() => new Promise(() => {}), { cleanupMs: 50 });
  await stage.send();
  assert.equal((await stage.result()).result.data.reason, "timeout");
});

test("an artifact is stored under the run", async () => {
  await using stage = await openStage();
  stage.start(async ({ putArtifact }) => {
    const stored = await putArtifact(
      "out/a.txt",
      (async function* () {
        yield await Promise.resolve(new TextEncoder().encode("bytes"));
      })(),
    );
    return succeed("", stored);
  });
  const run = await stage.send();
  const { result } = await stage.result();
  assert.deepEqual(await stage.embedded.store.artifacts.list(run), [{
    name: "out/a.txt",
    size: 5,
    sha256: String(result.data.sha256),
  }]);
});

test("the boundaries of an event are passed in their order, each with the step's id", async () => {
  const passed: [FaultPoint, string | undefined][] = [];
  await using stage = await openStage();
  const instance = stage.start((context) => {
    context.reach("command-ended");
    return Promise.resolve(succeed());
  }, { reach: (point, step) => passed.push([point, step]) });
  await stage.send();
  await stage.result();
  await instance.drain(1000);
  assert.deepEqual(
    passed,
    ["pulled", "decoded", "claimed", "command-ended", "reconciled", "logged", "result-published", "acked"]
      .map((point) => [point, "build"]),
  );
});

/** The transport with a publish that fails for these subjects until the test mends it. */
function broken(transport: Transport, subject: string, reason: string) {
  const state = { isBroken: true, tries: 0 };
  const publish: Transport["publish"] = (to, ...rest) => {
    if (!to.startsWith(subject) || !state.isBroken) return transport.publish(to, ...rest);
    state.tries++;
    return Promise.reject(new Retryable("The store does not answer", { reason }));
  };
  return { transport: { ...bound(transport), publish }, state };
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
