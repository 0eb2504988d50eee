import assert from "node:assert/strict";
import { test } from "node:test";
import { messageOf } from "../../lib/base/errors.ts";
import { type Context, type Driver, Retryable, StepFailure, z } from "../../lib/runtime.ts";
import { testDriver, type TestOptions } from "../../lib/testing.ts";
import { shortTimers } from "../support/until.ts";

const RESOURCES = ["thing"];
const succeed = (message = "done", data?: unknown) => ({ success: true, message, data });

/** One step of a driver that does this. */
const step = (reconcile: Driver["reconcile"], options: TestOptions = {}) =>
  testDriver({ name: "worker", resources: RESOURCES, reconcile }, options);

const bytesOf = async function* (length: number) {
  yield await Promise.resolve(new Uint8Array(length));
};

const untilStopped = ({ signal }: Context) =>
  new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));

test("a driver that makes less of its settings for a resource works and logs by those", async () => {
  const driver: Driver = {
    name: "worker",
    resources: RESOURCES,
    settingsFor: ({ spec }, settings) => ({ ...settings, ...(spec as { asks: object }).asks }),
    async reconcile({ log, settings: { graceMs, maxLogLines } }) {
      for (let i = 1; i <= 9; i++) await log.write("stdout", new TextEncoder().encode(`line ${i}\n`));
      return succeed(`${graceMs} ${maxLogLines}`);
    },
  };
  const { message, log } = await testDriver(driver, {
    settings: { maxLogLines: 1000 },
    spec: { asks: { graceMs: 7, maxLogBytes: 15 } },
  });
  assert.equal(message, "7 1000");
  assert.deepEqual(log.map(({ message }) => message), [
    "line 1",
    "line 2",
    "The log has reached its limit of 15 B: what follows is counted and not kept",
    "7 lines (49 B) were not kept: the log had reached its limit",
  ]);
});

test("a secret of the claim leaves neither in the log nor in a result nor in an error", async () => {
  const { message, log } = await step(async ({ log, secrets }) => {
    await log.line(`the token is ${secrets.TOKEN}`);
    throw new Error(`git said: ${btoa(`user:${secrets.TOKEN}`)}`);
  }, { secrets: { TOKEN: "swordfish", PIN: "12" } });
  assert.equal(message, 'Driver "worker" failed unexpectedly: git said: dXNlcjp***');
  assert.deepEqual(log.map(({ message }) => message), [
    'Secret "PIN" is too short to be masked: expected 3 characters at least',
    "the token is ***",
  ]);
});

test("a named failure becomes a failed result with its reason and its facts", async () => {
  const { success, message, data } = await step(() => {
    throw new StepFailure("Command 2 ended with 7", { reason: "command-failed", data: { exitCode: 7 } });
  });
  assert.deepEqual([success, message, data], [false, "Command 2 ended with 7", {
    exitCode: 7,
    reason: "command-failed",
  }]);
});

test("a result that is none, or too large, is replaced by a failed one that says so", async () => {
  const answers: [unknown, RegExp][] = [
    [undefined, /returned an invalid result: expected an object/],
    [succeed("", "x".repeat(70_000)), /data has 68\.4 KiB, expected 64\.0 KiB at most/],
  ];
  for (const [answer, expected] of answers) {
    const { success, reason, message } = await step(() => Promise.resolve(answer as never));
    assert.deepEqual([success, reason], [false, "driver-error"]);
    assert.match(message, expected);
  }
});

test("a step keeps no more artifacts than the operator allows", async () => {
  const { message, artifacts } = await step(async ({ putArtifact }) => {
    const said: string[] = [];
    for (const [name, length] of [["a", 6], ["b", 5], ["c", 1]] as const) {
      said.push(await putArtifact(name, bytesOf(length)).then(() => "kept", messageOf));
    }
    return succeed(said.join("; "));
  }, { settings: { maxArtifactBytes: 10, maxArtifactFiles: 2 } });
  assert.equal(
    message,
    'kept; Cannot keep "b": the step\'s artifacts have more than the 10 B that are allowed; ' +
      'Cannot keep "c": the step has kept 2 artifacts, as many as are allowed',
  );
  assert.deepEqual(Object.keys(artifacts), ["a"]);
});

test("a driver works by its policy, and what is secret in it is masked", async () => {
  const policy = z.object({ greeting: z.string(), key: z.string() });
  const driver: Driver<z.infer<typeof policy>> = {
    name: "worker",
    resources: RESOURCES,
    policy,
    secretsIn: ({ key }) => ({ key }),
    async reconcile({ policy, log }) {
      await log.line(`${policy.greeting} with ${policy.key}`);
      return succeed(policy.key);
    },
  };
  const { message, log } = await testDriver(driver, {
    policy: { greeting: "Hello", key: "swordfish" },
  });
  assert.deepEqual([message, log], ["***", [{ stream: "system", message: "Hello with ***" }]]);
});

test("a deadline stops the work, and what a driver answers after its cleanup counts", async () => {
  const { reason, data, message, log } = await step(async (context) => {
    await untilStopped(context);
    const isStopped = await context.cleanup((signal) => Promise.resolve(signal.aborted));
    await context.log.line("cleaned up");
    throw new StepFailure("Timed out, cleaned up", { reason: "timeout", data: { isStopped } });
  }, { timeoutMs: 20 });
  assert.deepEqual([reason, message, data.isStopped], ["timeout", "Timed out, cleaned up", false]);
  assert.deepEqual(log.map(({ message }) => message), ["cleaned up"]);
});

test("a deadline is the reason where a driver stops without one", async () => {
  const { success, reason } = await step(async (context) => {
    await untilStopped(context);
    context.signal.throwIfAborted();
    return succeed();
  }, { timeoutMs: 20 });
  assert.deepEqual([success, reason], [false, "timeout"]);
});

test("machinery that fails is tried again as the next attempt, and at last the step fails for it", async () => {
  const attempts: number[] = [];
  const { message, reason } = await step(({ attempt }) => {
    attempts.push(attempt);
    throw new Retryable("Cannot reach Docker", { reason: "docker-unreachable" });
  });
  assert.deepEqual(attempts, [1, 2, 3, 4, 5]);
  assert.deepEqual([message, reason], [
    "Cannot reach Docker (given up after 5 attempts)",
    "docker-unreachable",
  ]);
});

test("a later attempt reads the progress of the one before, and a test sees what was stored last", async () => {
  const { message, progress } = await step(async ({ attempt, progress, keepProgress }) => {
    await keepProgress({ page: 8 });
    return succeed(`${attempt}: ${JSON.stringify(progress)}`);
  }, { progress: { page: 7 } });
  assert.equal(message, '2: {"page":7}');
  assert.deepEqual(progress, { page: 8 });
  const first = await step(({ progress }) => Promise.resolve(succeed(String(progress))));
  assert.deepEqual([first.message, first.progress], ["undefined", undefined]);
});

test("a log keeps as many bytes as the operator allows, to the last one", async () => {
  const write: Driver["reconcile"] = async ({ log }) => {
    await log.write("stdout", new TextEncoder().encode("one\ntwo\nsix\n"));
    return succeed();
  };
  const kept = async (maxLogBytes: number) => {
    const { log } = await step(write, { settings: { maxLogBytes } });
    return log.filter(({ stream }) => stream === "stdout").map(({ message }) => message);
  };
  assert.deepEqual(await kept(12), ["one", "two", "six"]);
  assert.deepEqual(await kept(11), ["one", "two"]);
});

test("a step keeps 16 KiB of progress, and no more", async () => {
  const keep = (length: number) =>
    step(async ({ keepProgress }) => {
      await keepProgress("x".repeat(length - 2));
      return succeed();
    });
  assert.equal((await keep(16_384)).success, true);
  assert.match((await keep(16_385)).message, /The progress has 16385 bytes as JSON: expected 16384 at most/);
});

test("a cleanup has time beside the grace period", async () => {
  const { message } = await step(async (context) => {
    const isOver = await context.cleanup(async (signal) => {
      for (let i = 0; i < 3; i++) await shortTimers();
      return signal.aborted;
    });
    return succeed(`${isOver}`);
  }, { settings: { graceMs: 0 } });
  assert.equal(message, "false");
});
