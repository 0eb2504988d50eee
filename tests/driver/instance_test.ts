import assert from "node:assert/strict";
import { test } from "node:test";
import type { Transport } from "../../lib/backend/transport.ts";
import { InputError } from "../../lib/base/errors.ts";
import type { Context } from "../../lib/driver/driver.ts";
import type { ClaimReply } from "../../lib/wire/claim.ts";
import { HEADERS } from "../../lib/wire/headers.ts";
import type { DriverResult } from "../../lib/wire/resource.ts";
import { subjects } from "../../lib/wire/subjects.ts";
import { shortTimers, turns } from "../support/until.ts";
import { changed, openStage, type Stage, succeed, TYPE, until, within, workUntilStopped } from "./stage.ts";

/** A driver whose steps wait until the test lets them go on. */
function gated() {
  const inside: Context[] = [];
  const gates = new Map<string, () => void>();
  let most = 0;
  const reconcile = async (context: Context): Promise<DriverResult> => {
    inside.push(context);
    most = Math.max(most, inside.length);
    await new Promise<void>((resolve) => {
      gates.set(context.step, resolve);
      context.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    inside.splice(inside.indexOf(context), 1);
    context.signal.throwIfAborted();
    return succeed(context.step);
  };
  const letGo = async (step: string) => {
    await until(() => gates.has(step), `step ${step} has begun`);
    gates.get(step)?.();
    gates.delete(step);
  };
  return { reconcile, inside, letGo, most: () => most };
}

const here = subjects.stepOnHost("builder", "here", TYPE);
const isHeld = (stage: Stage, run: string, step: string) =>
  stage.transport.holds("messages", `${run}/${step}/1`);

test("startInstance refuses names that could not stand in a subject", async () => {
  await using stage = await openStage();
  const reconcile = () => Promise.resolve(succeed());
  assert.throws(() => stage.start({ name: "a.b", resources: [TYPE], reconcile }), InputError);
  assert.throws(() => stage.start(reconcile, { resources: ["x y"] }), InputError);
});

test("an instance has the events that were published once it was ready, and those before it was stopped and after", async () => {
  await using stage = await openStage();
  const first = stage.start(() => Promise.resolve(succeed()));
  await first.ready;
  await first.drain(1000);
  await stage.send({ step: "meanwhile" });
  stage.start(() => Promise.resolve(succeed()));
  assert.equal((await stage.result()).headers[HEADERS.step], "meanwhile");
});

test("an instance takes events of every resource type that it is told to handle, with or without a pipeline", async () => {
  await using stage = await openStage();
  const instance = stage.start(({ resource }) => Promise.resolve(succeed(resource.resource)), {
    resources: ["t1", "t2"],
  });
  await instance.ready;
  for (
    const [i, subject] of [
      subjects.step("builder", "t1"),
      subjects.resource("t2"),
      subjects.stepOnHost("builder", "here", "t2"),
    ].entries()
  ) {
    const type = subject.endsWith("t1") ? "t1" : "t2";
    await stage.send({ subject, id: `e-${i}`, payload: { id: "1", name: "n", resource: type, spec: {} } });
    assert.equal((await stage.result()).result.message, type);
  }
});

test("an instance never has more in hand than it has slots, whichever consumer it comes from", async () => {
  await using stage = await openStage();
  const driver = gated();
  const instance = stage.start(driver.reconcile, { concurrency: 2 });
  await instance.ready;
  const steps = Array.from({ length: 8 }, (_, i) => `s${i}`);
  for (const [i, step] of steps.entries()) await stage.send({ step, ...i % 2 === 0 && { subject: here } });
  const seen: string[] = [];
  while (seen.length < steps.length) {
    await until(() => driver.inside.length > 0, "a step has begun");
    const step = driver.inside[0]?.step ?? "";
    await driver.letGo(step);
    seen.push((await stage.result()).result.message);
  }
  assert.deepEqual(seen.toSorted(), steps);
  assert.equal(driver.most(), 2);
});

test("the next events begin while results are on their way, a few at most, and all are waited for at the end", async () => {
  await using stage = await openStage();
  const stored = Promise.withResolvers<void>();
  const transport: Transport = new Proxy(stage.transport, {
    get: (transport, key) =>
      key !== "publish" ? Reflect.get(transport, key) : async (...all: Parameters<Transport["publish"]>) => {
        if (all[0] === subjects.result) await stored.promise;
        return await transport.publish(...all);
      },
  });
  const begun: string[] = [];
  let atOnce = 0;
  const instance = stage.start(async ({ step }) => {
    assert.equal(++atOnce, 1);
    begun.push(step);
    await turns(3);
    atOnce--;
    return succeed(step);
  }, { transport });
  await instance.ready;
  for (let i = 0; i < 6; i++) await stage.send({ step: `s-${i}` });
  await until(() => begun.length === 4, "four have begun");
  await turns(20);
  assert.deepEqual([begun.length, instance.inHand, stage.left()], [4, 4, 0]);
  stored.resolve();
  for (let i = 0; i < 6; i++) await stage.result();
  await instance.drain(10_000);
  assert.equal(instance.inHand, 0);
  assert.equal(new Set(begun).size, 6);
});

test("an event that no slot is free for goes to another instance at once", async () => {
  await using stage = await openStage();
  const [busy, idle] = [gated(), gated()];
  const instance = stage.start(busy.reconcile, { ackWaitMs: 60_000 });
  await instance.ready;
  await stage.send({ step: "long" });
  await until(() => busy.inside.length === 1, "the first is busy");
  stage.start(idle.reconcile, { ackWaitMs: 60_000 });
  await stage.send({ step: "short" });
  await idle.letGo("short");
  assert.deepEqual(stage.claims.map(({ step, delivery }) => [step, delivery]), [["long", 1], ["short", 1]]);
  assert.equal((await stage.result()).result.message, "short");
  await busy.letGo("long");
  assert.equal((await stage.result()).result.message, "long");
});

test("an instance that only serves its host leaves the others' events alone", async () => {
  await using stage = await openStage();
  const common = stage.start(() => Promise.resolve(succeed()));
  await common.ready;
  await common.drain(0);
  stage.start(() => Promise.resolve(succeed("own")), { shared: false });
  const run = await stage.send({ step: "common" });
  await stage.send({ step: "own", subject: here });
  assert.equal((await stage.result()).headers[HEADERS.step], "own");
  assert.equal(await isHeld(stage, run, "common"), true);
  assert.deepEqual(stage.claims.map((claim) => claim.step), ["own"]);
});

test("an instance takes a common event only when its driver admits one, and asks again after a failure", async () => {
  await using stage = await openStage();
  const asked: number[] = [];
  const room = Promise.withResolvers<void>();
  const instance = stage.start({
    name: "builder",
    resources: [TYPE],
    reconcile: ({ step }) => Promise.resolve(succeed(step)),
    admit: async ({ inHand, isHere }) => {
      if (isHere) return true;
      asked.push(inHand);
      if (asked.length === 1) throw new Error("Docker is away");
      await room.promise;
      return true;
    },
  });
  await instance.ready;
  const run = await stage.send({ step: "common" });
  await stage.send({ step: "own", subject: here });
  assert.equal((await stage.result()).result.message, "own");
  await until(() => asked.length === 2, "admit is asked again");
  assert.equal(await isHeld(stage, run, "common"), true);
  room.resolve();
  assert.equal((await stage.result()).result.message, "common");
  assert.equal(asked[0], 0);
});

test("a driver is asked for room for one event at a time, and anew when what is in hand has changed", async () => {
  await using stage = await openStage();
  const driver = gated();
  const asked: number[] = [];
  const roomFor = 2;
  const instance = stage.start({
    name: "builder",
    resources: [TYPE],
    reconcile: driver.reconcile,
    // Knows only what it was told when it was asked.
    admit: async ({ inHand, isHere, signal }) => {
      if (isHere) return true;
      asked.push(inHand);
      if (inHand < roomFor) return true;
      return await new Promise<never>((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason), { once: true })
      );
    },
  }, { concurrency: 5 });
  await instance.ready;
  const steps = ["a", "b", "c", "d"];
  for (const step of steps) await stage.send({ step });
  for (const step of steps) {
    await driver.letGo(step);
    assert.equal((await stage.result()).result.message, step);
  }
  assert.equal(driver.most(), roomFor);
  assert.deepEqual(asked.slice(0, 3), [0, 1, 2]);
});

test("an instance that has no room says why, to whoever asks for its driver, as long as that is so", async () => {
  await using stage = await openStage();
  const room = Promise.withResolvers<void>();
  const instance = stage.start({
    name: "builder",
    resources: [TYPE],
    reconcile: () => Promise.resolve(succeed()),
    admit: async ({ isHere, tell }) => {
      if (!isHere) tell("Waiting for a slot (1 of 1 in use)");
      await room.promise;
      return true;
    },
  });
  await instance.ready;
  const ask = async () => {
    const answer = await stage.transport.request(subjects.room("builder"), "", { timeoutMs: 10_000 });
    return JSON.parse(new TextDecoder().decode(answer));
  };
  assert.deepEqual(await ask(), { why: "Waiting for a slot (1 of 1 in use)" });
  room.resolve();
  await stage.send();
  await stage.result();
});

test("an event that came when there was no room any more goes to another instance, unclaimed", async () => {
  await using stage = await openStage();
  const rooms = [true, false];
  const begun: string[] = [];
  const driver = (name: string, hasRoom: () => boolean) => ({
    name: "builder",
    resources: [TYPE],
    reconcile: () => {
      begun.push(name);
      return Promise.resolve(succeed(name));
    },
    admit: ({ isHere, signal }: { isHere: boolean; signal: AbortSignal }) => {
      const room = hasRoom();
      if (room || isHere) return Promise.resolve(room);
      return new Promise<never>((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason), { once: true })
      );
    },
  });
  // Has room when it asks for an event, and none any more when that comes.
  await stage.start(driver("full", () => rooms.shift() ?? false)).ready;
  await stage.send();
  await until(() => rooms.length === 0, "the event has come");
  stage.start(driver("free", () => true));
  assert.equal((await stage.result()).result.message, "free");
  assert.deepEqual([begun, stage.claims.length], [["free"], 1]);
});

test("an event without claims that nobody has room for is handled in the end, not given up", async () => {
  await using stage = await openStage();
  let asked = 0;
  await stage.start({
    name: "builder",
    resources: [TYPE],
    reconcile: ({ attempt }) => Promise.resolve(succeed(`delivery ${attempt}`)),
    admit: ({ isHere }) => {
      if (isHere) asked++;
      return Promise.resolve(!isHere);
    },
  }).ready;
  await stage.send({ claims: false });
  const { result } = await stage.result();
  assert.deepEqual([result.success, result.message, asked], [true, "delivery 6", 5]);
});

test("drain takes nothing more and waits for what is in hand", async () => {
  await using stage = await openStage();
  const driver = gated();
  const instance = stage.start(driver.reconcile);
  await stage.send({ step: "a" });
  await until(() => driver.inside.length === 1, "the step has begun");
  const run = await stage.send({ step: "b" });
  const drained = instance.drain(60_000);
  assert.equal(instance.inHand, 1);
  await driver.letGo("a");
  await within(drained, "the drain");
  assert.equal((await stage.result()).result.message, "a");
  assert.deepEqual([instance.inHand, await isHeld(stage, run, "b"), stage.left()], [0, true, 0]);
});

test("drain stops what takes too long, and another instance gets it", async () => {
  await using stage = await openStage();
  const stopped = Promise.withResolvers<string>();
  const instance = stage.start((context) =>
    workUntilStopped(context).catch((error) => {
      stopped.resolve(error.reason);
      throw error;
    }), { cleanupMs: 60_000 });
  await stage.send();
  await until(() => instance.inHand === 1, "the step has begun");
  const drained = instance.drain(60_000);
  await instance.drain(0);
  await within(drained, "the first drain");
  assert.equal(await stopped.promise, "shutdown");
  assert.equal(stage.left(), 0);
  stage.start(({ attempt }) => Promise.resolve(succeed(`attempt ${attempt}`)));
  assert.equal((await stage.result()).result.message, "attempt 2");
});

test("drain stops also what has yet to begin", async () => {
  const gate = Promise.withResolvers<ClaimReply>();
  await using stage = await openStage({ engine: () => gate.promise });
  const seen = Promise.withResolvers<boolean>();
  const instance = stage.start(({ signal }) => {
    seen.resolve(signal.aborted);
    return Promise.resolve(succeed());
  }, { cleanupMs: 60_000 });
  await stage.send();
  await until(() => stage.claims.length === 1, "the claim is asked");
  const drained = instance.drain(0);
  await shortTimers();
  gate.resolve({ answer: "go", attempt: 1 });
  assert.equal(await seen.promise, true);
  await within(drained, "the drain");
});

test("drain leaves a driver behind that does not heed its signal", async () => {
  await using stage = await openStage();
  const instance = stage.start(() => new Promise(() => {}), { cleanupMs: 20 });
  const run = await stage.send();
  await until(() => instance.inHand === 1, "the step has begun");
  await within(instance.drain(0), "the drain");
  assert.equal(stage.left(), 0);
  assert.equal(await isHeld(stage, run, "build"), true);
});

test("an instance that was disposed of once may be again", async () => {
  await using stage = await openStage();
  const instance = stage.start(() => Promise.resolve(succeed()));
  await instance[Symbol.asyncDispose]();
  await instance[Symbol.asyncDispose]();
  await instance.drain(10);
});

test("a defect of ours neither ends the process nor makes an event come for ever", async () => {
  let delivered = 0;
  await using stage = await openStage({
    through: (transport) =>
      changed(transport, (delivery) => {
        if (delivery.id?.includes("/bad/") !== true) return {};
        delivered++;
        // Nothing that a transport does; but whatever it is must not take the driver with it.
        return { headers: undefined as never };
      }),
  });
  await stage.start(() => Promise.resolve(succeed())).ready;
  const run = await stage.send({ step: "bad" });
  await until(async () => !await isHeld(stage, run, "bad"), "the event has ended");
  assert.equal(delivered, 10);
  await stage.send({ step: "good" });
  assert.equal((await stage.result()).headers[HEADERS.step], "good");
});

test("an event without claims whose ack was lost is not worked on twice", async () => {
  let acks = 0;
  await using stage = await openStage({
    through: (transport) =>
      changed(transport, (delivery) => ({
        ack: () => ++acks === 1 ? Promise.resolve() : delivery.ack(),
      })),
  });
  let runs = 0;
  const instance = stage.start(() => Promise.resolve(succeed(String(++runs))), { ackWaitMs: 200 });
  const run = await stage.send({ claims: false });
  await stage.result();
  await until(async () => !await isHeld(stage, run, "build"), "the event is acked");
  await instance.drain(1000);
  assert.deepEqual([runs, stage.left(), acks], [1, 0, 2]);
});
