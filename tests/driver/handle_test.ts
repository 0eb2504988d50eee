import assert from "node:assert/strict";
import { test } from "node:test";
import { messageOf, StepFailure } from "../../lib/base/errors.ts";
import type { FaultPoint } from "../../lib/base/faults.ts";
import type { Context, Driver } from "../../lib/driver/driver.ts";
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

test("a driver that makes less of its settings for a resource works and logs by those", async () => {
  await using stage = await openStage();
  const seen = Promise.withResolvers<Context>();
  stage.start({
    name: "builder",
    resources: [TYPE],
    settingsFor: ({ spec }, settings) => ({ ...settings, ...(spec as { asks: object }).asks }),
    async reconcile(context) {
      seen.resolve(context);
      for (let i = 1; i <= 9; i++) await context.log.write("stdout", Buffer.from(`line ${i}\n`));
      return succeed();
    },
  });
  const run = await stage.send({ spec: { asks: { graceMs: 7, maxLogBytes: 15 } } });
  assert.deepEqual((await within(seen.promise, "the driver")).settings, {
    ...SETTINGS,
    graceMs: 7,
    maxLogBytes: 15,
  });
  await stage.result();
  assert.deepEqual(await stage.messages(run), [
    "line 1",
    "line 2",
    "The log has reached its limit of 15 B: what follows is counted and not kept",
    "7 lines (49 B) were not kept: the log had reached its limit",
  ]);
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
  assert.match((await stage.result()).result.message, /returned an invalid result: expected an object/);
  await stage.send();
  assert.match((await stage.result()).result.message, /data has 68\.4 KiB, expected 64\.0 KiB at most/);
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

test("a step keeps no more artifacts than the operator allows", async () => {
  await using stage = await openStage();
  const kept = async (put: Context["putArtifact"], name: string, length: number) => {
    const bytes = async function* () {
      yield await Promise.resolve(new Uint8Array(length));
    };
    return await put(name, bytes()).then(() => "kept", (error) => messageOf(error));
  };
  stage.start(async ({ putArtifact }) => {
    const said: string[] = [];
    for (const [name, length] of [["a", 6], ["b", 5], ["c", 1]] as const) {
      said.push(await kept(putArtifact, name, length));
    }
    return succeed(said.join("; "));
  }, { settings: { ...SETTINGS, maxArtifactBytes: 10, maxArtifactFiles: 2 } });
  const run = await stage.send();
  assert.equal(
    (await stage.result()).result.message,
    'kept; Cannot keep "b": the step\'s artifacts have more than the 10 B that are allowed; ' +
      'Cannot keep "c": the step has kept 2 artifacts, as many as are allowed',
  );
  const names = (await stage.embedded.store.artifacts.list(run)).map(({ name }) => name);
  assert.deepEqual(names, ["a"]);
});

test("a driver works by its policy, and what is secret in it is masked", async () => {
  await using stage = await openStage();
  const driver: Driver<{ greeting: string; key: string }> = {
    name: "builder",
    resources: [TYPE],
    secretsIn: ({ key }) => ({ key }),
    async reconcile({ policy, log }) {
      await log.line(`${policy.greeting} with ${policy.key}`);
      return succeed(policy.key);
    },
  };
  stage.start(driver, { policy: { greeting: "Hello", key: "swordfish" } });
  const run = await stage.send();
  const { result } = await stage.result();
  assert.deepEqual([result.message, await stage.messages(run)], ["***", ["Hello with ***"]]);
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
