import assert from "node:assert/strict";
import { test } from "node:test";
import type { Store } from "../../lib/backend/store.ts";
import type { Transport } from "../../lib/backend/transport.ts";
import { InputError, Retryable } from "../../lib/base/errors.ts";
import { consumers, subjects } from "../../lib/wire/subjects.ts";
import { drive, OK } from "./support/drive.ts";
import { submission, TYPE } from "./support/runs.ts";
import { resultEvent, scriptedDriver } from "./support/scripted-driver.ts";
import { brief, endOf, eventsOf, openWorld } from "./support/world.ts";
import { until } from "../support/until.ts";

test("a result is taken again until what follows from it is published", async () => {
  await using world = await openWorld();
  const { transport } = world;
  let failures = 0;
  const stubborn: Transport = {
    ...transport,
    publish: (subject, data, options) => {
      if (!subject.startsWith("drivers.b.") || ++failures > 9) {
        return transport.publish(subject, data, options);
      }
      return Promise.reject(new Retryable("No", { reason: "transport-unreachable" }));
    },
  };
  // No time passes, so that nobody else looks after the outbox.
  const engine = await world.engine({ transport: stubborn, clock: () => 0 });
  for (const driver of ["a", "b"]) await drive(world, driver);
  assert.equal((await endOf(engine, await engine.submit(submission("a b")))).outcome, "succeeded");
});

test("a change is decided anew where somebody else has changed the record meanwhile", async () => {
  await using world = await openWorld();
  const { store } = world;
  let isFirst = true;
  const contested: Store = {
    ...store,
    runs: {
      ...store.runs,
      put: async (id, run, revision) => {
        const found = await store.runs.get(id);
        if (found && run.verdict && isFirst) {
          isFirst = false;
          const host = "from-elsewhere";
          await store.runs.put(id, { ...found.value, host }, found.revision);
        }
        return await store.runs.put(id, run, revision);
      },
    },
  };
  const engine = await world.engine({ store: contested });
  const run = await engine.submit(submission("a"));
  await engine.stop(run, { outcome: "cancelled", reason: "cancelled", message: "no" });
  const found = await store.runs.get(run);
  assert.equal(found?.value.outcome, "cancelled");
  assert.equal(found?.value.host, "from-elsewhere");
});

test("an engine addresses the host that a result names, and keeps the event for it", async () => {
  await using world = await openWorld();
  const engine = await world.engine();
  await drive(world, "a", () => ({ ...OK, data: { host: "h9" } }));
  const run = await engine.submit(submission("a b"));
  for await (const event of engine.follow(run)) if (brief(event) === "a succeeded") break;
  const subjectsSeen: string[] = [];
  world.use(
    await scriptedDriver(world.transport, "b", ({ delivery }) => {
      subjectsSeen.push(delivery.subject);
      return OK;
    }, { host: "h9" }),
  );
  await endOf(engine, run);
  assert.deepEqual(subjectsSeen, [subjects.stepOnHost("b", "h9", TYPE)]);
});

test("an engine takes results of a driver that knows no claims, headers or steps", async () => {
  await using world = await openWorld();
  const engine = await world.engine({ foreignDrivers: ["go"] });
  const { transport } = world;
  const spec = {
    stream: "messages",
    name: consumers.shared("go"),
    filters: [subjects.step("go", TYPE)],
    ackWaitMs: 30_000,
  } as const;
  const stopping = new AbortController();
  const loop = (async () => {
    for await (const delivery of transport.consume(spec, { signal: stopping.signal })) {
      await delivery.ack();
      const { run_id: run, payload } = JSON.parse(new TextDecoder().decode(delivery.data));
      const resource = JSON.parse(payload);
      if (resource.metadata.current_pipeline_step === "y") {
        const line = {
          runid: run,
          driver: "go",
          pipeline: "",
          timestamp: "1767225600",
          message: "from Go\n",
        };
        await transport.publish(subjects.logs(run), JSON.stringify(line));
      }
      // Twice: nothing tells one copy from the other.
      const message = `${resource.metadata.current_pipeline_step} is done`;
      const result = resultEvent(run, resource, "go", { success: true, message });
      await transport.publish(subjects.result, result);
      await transport.publish(subjects.result, result);
    }
  })();
  await drive(world, "ours");
  const run = await engine.submit(submission("x:go y:go z:ours!"));
  const events = await eventsOf(engine, run);
  stopping.abort();
  await loop;
  assert.deepEqual(events.map(brief), [
    "run",
    "x started",
    "x succeeded",
    "y started",
    "y 1 from Go",
    "y succeeded",
    "z started",
    "z succeeded",
    "end succeeded",
  ]);
  const ends = events.flatMap((event) => event.type === "step" && event.status !== "started" ? [event] : []);
  assert.deepEqual(ends.map(({ result }) => result.message), ["x is done", "y is done", "fine"]);
  const line = events.find((event) => event.type === "log");
  assert.equal(line?.type === "log" && line.time, "2026-01-01T00:00:00.000Z");
  assert.equal(line?.type === "log" && line.stream, "stdout");
});

test("results are taken again after the storage failed under their consumer, and the engine says that it failed", async () => {
  await using world = await openWorld();
  const { transport } = world;
  let failures = 0;
  const failing = Promise.withResolvers<void>();
  const mended = Promise.withResolvers<void>();
  const broken: Transport = {
    ...transport,
    ensureConsumer: async (spec) => {
      if (spec.name === consumers.engine && failures > 0) {
        failing.resolve();
        await mended.promise;
      }
      await transport.ensureConsumer(spec);
    },
    async *consume(spec, options) {
      for await (const delivery of transport.consume(spec, options)) {
        if (spec.name === consumers.engine && failures++ === 0) {
          await delivery.nak();
          throw new Error("disk I/O error");
        }
        yield delivery;
      }
    },
  };
  const engine = await world.engine({ transport: broken });
  await drive(world, "a");
  const run = await engine.submit(submission("a"));
  await failing.promise;
  assert.deepEqual(engine.troubles, ["Taking results"]);
  mended.resolve();
  assert.equal((await endOf(engine, run)).outcome, "succeeded");
  assert.deepEqual(engine.troubles, []);
});

test("looking after runs is a trouble of the engine while the store fails, and none when it is back", async () => {
  await using world = await openWorld();
  const { store } = world;
  let isBroken = true;
  const seen = Promise.withResolvers<void>();
  const back = Promise.withResolvers<void>();
  const flaky: Store = {
    ...store,
    secrets: {
      ...store.secrets,
      list: (options) => {
        if (!isBroken) {
          back.resolve();
          return store.secrets.list(options);
        }
        seen.resolve();
        return Promise.reject(new Error("disk I/O error"));
      },
    },
  };
  const engine = await world.engine({ store: flaky, ackWaitMs: 1 });
  await seen.promise;
  await until(() => engine.troubles.length > 0, "the engine is in trouble");
  assert.deepEqual(engine.troubles, ["Looking after runs"]);
  isBroken = false;
  await back.promise;
  await until(() => engine.troubles.length === 0, "the engine is well again");
});

test("an event that the transport will never take ends its step and the run, and cleaning up goes on", async () => {
  await using world = await openWorld();
  const { transport } = world;
  const shrunk: Transport = {
    ...transport,
    publish: (subject, data, options) =>
      subject.startsWith("drivers.a.")
        ? Promise.reject(new InputError("Message has more bytes than expected"))
        : transport.publish(subject, data, options),
  };
  const engine = await world.engine({ transport: shrunk });
  await drive(world, "b");
  const run = await engine.submit(submission("a b!"));
  const end = await endOf(engine, run);
  assert.deepEqual([end.outcome, end.reason], ["failed", "invalid-spec"]);
  const steps = (await world.store.runs.get(run))?.value.steps.map(({ id, status }) => `${id} ${status}`);
  assert.deepEqual(steps, ["a failed", "b succeeded"]);
});
