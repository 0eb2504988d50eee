import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../../lib/base/errors.ts";
import { again, defineDriver, z } from "../../lib/runtime.ts";
import { type RanCommand, testDriver } from "../../lib/testing.ts";

const resources = ["thing"];

test("a driver is given its part of a spec, with defaults, and a type of its own the whole spec", async () => {
  const spec = z.object({ size: z.int().default(3) });
  const reconcile = ({ spec }: { spec: { size: number } }) => ({
    success: true,
    message: "",
    data: { ...spec },
  });
  const part = defineDriver({ name: "part", resources, spec, reconcile });
  const whole = defineDriver({ name: "whole", resources, ownsResources: true, spec, reconcile });
  const resource = { spec: { size: 9, drivers: { other: { size: 8 } } } };
  assert.deepEqual((await testDriver(part, { resource })).data, { size: 3 });
  assert.deepEqual((await testDriver(part, { resource, spec: { size: 5 } })).data, { size: 5 });
  assert.deepEqual((await testDriver(whole, { resource })).data, { size: 9 });
});

test("input that is wrong is refused before reconcile, each place with its value and what was expected", async () => {
  let calls = 0;
  const driver = defineDriver({
    name: "strict",
    resources,
    spec: z.strictObject({ size: z.int(), mode: z.enum(["fast", "slow"]) }),
    reconcile: () => ({ success: true, message: `${++calls}` }),
  });
  const { success, reason, message, log } = await testDriver(driver, {
    spec: { size: "big", mode: "medium" },
  });
  assert.deepEqual([success, reason, calls, log], [false, "invalid-spec", 0, []]);
  assert.deepEqual(message.split("\n"), [
    'spec.drivers.strict.size: expected number, got "big"',
    'spec.drivers.strict.mode: invalid option: expected one of "fast"|"slow", got "medium"',
  ]);
});

test("JSON Schema of a spec is there for a server, under the name of what it describes", () => {
  const spec = z.object({ size: z.int().default(3) });
  const reconcile = () => ({ success: true, message: "" });
  const part = defineDriver({ name: "part", resources, spec, reconcile });
  const whole = defineDriver({ name: "whole", resources, ownsResources: true, spec, reconcile });
  assert.deepEqual([part.schema, whole.part], [undefined, undefined]);
  for (const schema of [part.part?.(), whole.schema?.()]) {
    assert.equal(schema?.type, "object");
    // As it is written, where what has a default may be left out.
    assert.equal(schema?.required, undefined);
  }
});

test("a failed step has a common reason or one of the driver's own, returned or thrown", async () => {
  const driver = defineDriver({
    name: "reasons",
    resources,
    spec: z.object({ how: z.string() }),
    reasons: ["too-late"],
    reconcile({ spec, fail }) {
      if (spec.how === "thrown") fail("too-late", "thrown", { by: 1 });
      if (spec.how === "common") return { success: false, reason: "disk-full", message: "common" };
      return { success: false, reason: "too-late", message: "returned", data: { by: 2 } };
    },
  });
  const facts = async (how: string) => {
    const { success, message, data } = await testDriver(driver, { spec: { how } });
    return [success, message, data];
  };
  assert.deepEqual(await facts("thrown"), [false, "thrown", { by: 1, reason: "too-late" }]);
  assert.deepEqual(await facts("returned"), [false, "returned", { by: 2, reason: "too-late" }]);
  assert.deepEqual(await facts("common"), [false, "common", { reason: "disk-full" }]);
});

test("a mistyped reason does not compile, and one that is no word is refused", () => {
  defineDriver({
    name: "mistyped",
    resources,
    reasons: ["too-late"],
    // @ts-expect-error: "to-late" is no reason that the driver declares
    reconcile: ({ fail }) => {
      // @ts-expect-error: neither is this
      if (resources.length === 0) fail("too-lat", "");
      return { success: false, reason: "to-late", message: "" };
    },
  });
  const reconcile = () => ({ success: true, message: "" });
  assert.throws(() => defineDriver({ name: "a", resources, reasons: ["too late"], reconcile }), (error) => {
    assert.ok(error instanceof InputError);
    assert.match(error.message, /^Invalid reason "too late": /);
    return true;
  });
});

test("again calls the driver once more, with what it has got so far", async () => {
  const driver = defineDriver({
    name: "poll",
    resources,
    reconcile({ progress }) {
      const n = typeof progress === "number" ? progress : 0;
      return n < 2 ? again("1ms", `Seen ${n}`, n + 1) : { success: true, message: `after ${n}` };
    },
  });
  const { message, log } = await testDriver(driver);
  assert.equal(message, "after 2");
  assert.deepEqual(log.map(({ message }) => message), [
    "Seen 0; trying again in 1ms",
    "Seen 1; trying again in 1ms",
  ]);
});

test("again ends with the step: by its time, and when it is cancelled", async () => {
  let called = Promise.withResolvers<void>();
  const driver = defineDriver({
    name: "wait",
    resources,
    reconcile() {
      called.resolve();
      return again("1h", "Not yet");
    },
  });
  const late = await testDriver(driver, { timeoutMs: 50 });
  assert.deepEqual([late.success, late.reason], [false, "timeout"]);
  called = Promise.withResolvers();
  const cancelling = new AbortController();
  const running = testDriver(driver, { signal: cancelling.signal });
  await called.promise;
  cancelling.abort();
  const cancelled = await running;
  assert.deepEqual([cancelled.success, cancelled.reason], [false, "cancelled"]);
});

test("a time that is none is refused where again is called", async () => {
  const driver = defineDriver({ name: "a", resources, reconcile: () => again("soon", "why") });
  const { reason, message } = await testDriver(driver);
  assert.equal(reason, "driver-error");
  assert.match(message, /"soon"/);
});

test("the container's helper runs commands as the build's user, and gets files in and out", async () => {
  const ran: RanCommand[] = [];
  const driver = defineDriver({
    name: "inside",
    resources,
    container: true,
    async reconcile({ container, secrets, putArtifact }) {
      const code = await container.exec("make it", { env: { A: "1" } });
      const { stdout, isCut } = await container.capture(["cat", "big"], { user: "0", workdir: "/" });
      await container.copyIn("out/new.txt", "text");
      const missing = await container.copyOut("nothing");
      await putArtifact("kept.bin", await container.copyOut("/etc/kept.bin") ?? bytes(""));
      const text = await container.readText("a.txt");
      const data = {
        code,
        size: stdout.length,
        isCut,
        missing: missing === undefined,
        text,
        user: await container.user(),
      };
      return { success: true, message: `with ${secrets.TOKEN}`, data };
    },
  });
  const { message, data, log, artifacts } = await testDriver(driver, {
    secrets: { TOKEN: "a-secret" },
    container: {
      user: "1000",
      files: { "a.txt": "content", "/etc/kept.bin": new Uint8Array([0, 255]) },
      exec(command) {
        ran.push(command);
        if (command.command[0] === "cat") return { stdout: "x".repeat(300 * 1024) };
        return command.stdin === "" ? { exitCode: 2, stdout: "one\ntwo a-secret", stderr: "three\n" } : {};
      },
    },
  });
  assert.equal(message, "with ***");
  assert.deepEqual(data, {
    code: 2,
    size: 256 * 1024,
    isCut: true,
    missing: true,
    text: "content",
    user: "1000",
  });
  assert.deepEqual(log, [
    { stream: "stdout", message: "one" },
    { stream: "stderr", message: "three" },
    { stream: "stdout", message: "two ***" },
  ]);
  assert.deepEqual([...artifacts["kept.bin"] ?? []], [0, 255]);
  assert.deepEqual(ran.map(({ command, user, workdir, env }) => [command.slice(0, 2), user, workdir, env]), [
    [["/bin/sh", "-ec"], "1000", "/workspace", { A: "1" }],
    [["cat", "big"], "0", "/", {}],
    [["/bin/sh", "-c"], "1000", "/workspace", {}],
  ]);
  assert.deepEqual([ran[2]?.command.at(-1), ran[2]?.stdin], ["/workspace/out/new.txt", "text"]);
});

test("without its container a step fails as container-lost, and can ask before", async () => {
  const driver = defineDriver({
    name: "outside",
    resources,
    container: true,
    async reconcile({ container }) {
      const isThere = await container.isThere();
      await container.exec("true");
      return { success: true, message: String(isThere) };
    },
  });
  const { success, reason, message } = await testDriver(driver);
  assert.deepEqual([success, reason, message], [false, "container-lost", "The run's container is not here"]);
});

test("a file that is larger than it may be is not read", async () => {
  const driver = defineDriver({
    name: "large",
    resources,
    container: true,
    async reconcile({ container }) {
      return { success: true, message: await container.readText("big", { maxBytes: 1024 }) ?? "" };
    },
  });
  const { reason, message } = await testDriver(driver, { container: { files: { big: "x".repeat(1025) } } });
  assert.deepEqual([reason, message], ["step-failed", '"big" is too large: expected 1.0 KiB at most']);
});

test("a driver under test has its policy, as the operator's flags would say it", async () => {
  const driver = defineDriver({
    name: "limited",
    resources,
    policy: z.object({ maxTests: z.int().default(10) }),
    reconcile: ({ policy }) => ({ success: true, message: `${policy.maxTests}` }),
  });
  assert.equal((await testDriver(driver)).message, "10");
  assert.equal((await testDriver(driver, { policy: { maxTests: 3 } })).message, "3");
});

async function* bytes(text: string): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(text);
}
