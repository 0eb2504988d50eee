import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { InputError, Retryable } from "../../lib/base/errors.ts";
import { ConflictError, type Store } from "../../lib/backend/store.ts";
import type { Transport } from "../../lib/backend/transport.ts";
import type { DriverResult } from "../../lib/wire/resource.ts";
import { consumers, subjects } from "../../lib/wire/subjects.ts";
import { RUN, submission, TYPE } from "./support/runs.ts";
import { type Job, logLine, resultEvent, scriptedDriver } from "./support/scripted-driver.ts";
import { brief, endOf, eventsOf, openWorld, type World } from "./support/world.ts";

const OK: DriverResult = { success: true, message: "fine" };

async function drive(
  world: World,
  driver: string,
  work: (job: Job) => DriverResult = () => OK,
): Promise<void> {
  world.use(await scriptedDriver(world.transport, driver, work));
}

test("submit runs the steps in order, and follow tells all of it in order", async () => {
  await using world = await openWorld();
  const engine = await world.engine();
  for (const driver of ["a", "b", "c"]) {
    world.use(
      await scriptedDriver(world.transport, driver, async (job) => {
        await job.log(`${driver} says one`);
        await job.log(`${driver} says two`);
        return { success: true, message: `${driver} is done`, data: { from: driver } };
      }),
    );
  }
  const run = await engine.submit(submission("a b c!"));
  const events = await eventsOf(engine, run);
  assert.deepEqual(events.map(brief), [
    "run",
    ...["a", "b", "c"].flatMap((id, i) => [
      `${id} started`,
      `${id} ${2 * i + 1} ${id} says one`,
      `${id} ${2 * i + 2} ${id} says two`,
      `${id} succeeded`,
    ]),
    "end succeeded",
  ]);
  const end = events.at(-1);
  assert.equal(end?.type === "end" && end.lines, 6);
  const ended = events.find((event) => event.type === "step" && event.status === "succeeded");
  assert.deepEqual(ended?.type === "step" && "result" in ended && ended.result, {
    success: true,
    message: "a is done",
    data: { from: "a" },
  });
  assert.deepEqual(await eventsOf(engine, run), events, "who comes late sees the same");
});

test("submit hands a step its event, its metadata and its secrets, and keeps no secret in clear", async () => {
  await using world = await openWorld();
  const engine = await world.engine();
  const jobs: Job[] = [];
  for (const driver of ["a", "b"]) await drive(world, driver, (job) => (jobs.push(job), OK));
  const secrets = { TOKEN: "hunter2-hunter2" };
  const run = await engine.submit(submission("a b", { secrets, operation: "update" }));
  await endOf(engine, run);
  assert.deepEqual(jobs.map(({ secrets }) => secrets), [secrets, secrets]);
  assert.deepEqual(jobs.map(({ event, attempt, run }) => ({ event, attempt, run })), [
    { event: "update", attempt: 1, run },
    { event: "update", attempt: 1, run },
  ]);
  assert.equal(JSON.parse(String(jobs[1]?.resource.metadata?.["driverresults.a"])).message, "fine");
  assert.equal(await world.store.secrets.get(run), undefined, "they are forgotten when the run ends");
  for (const file of await readdir(world.folder, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue;
    const bytes = await readFile(join(file.parentPath, file.name), "latin1");
    assert.ok(!bytes.includes(secrets.TOKEN), `${file.name} has the secret in clear`);
  }
});

test("submit keeps an event for a driver that was never started", async () => {
  await using world = await openWorld();
  const engine = await world.engine();
  const run = await engine.submit(submission("a"));
  await drive(world, "a");
  assert.equal((await endOf(engine, run)).outcome, "succeeded");
});

test("submit refuses an id that is taken and leaves the run that has it alone", async () => {
  await using world = await openWorld();
  const engine = await world.engine();
  await engine.submit(submission("a", { run: RUN, secrets: { A: "1" } }));
  const before = await world.store.runs.get(RUN);
  const secrets = await world.store.secrets.get(RUN);
  await assert.rejects(engine.submit(submission("b", { run: RUN, secrets: { A: "2" } })), ConflictError);
  assert.deepEqual(await world.store.runs.get(RUN), before);
  assert.deepEqual(await world.store.secrets.get(RUN), secrets);
});

test("submit refuses what is not in order before anything is stored", async () => {
  await using world = await openWorld();
  const engine = await world.engine();
  await assert.rejects(engine.submit(submission("a a", { run: RUN })), InputError);
  assert.equal(await world.store.runs.get(RUN), undefined);
});

test("stop tells the driver at work at once, lets it report, and cleans up", async () => {
  await using world = await openWorld();
  const engine = await world.engine();
  const begun = Promise.withResolvers<void>();
  const nudged = Promise.withResolvers<void>();
  world.use(
    await scriptedDriver(world.transport, "a", async (job) => {
      await using _ears = await world.transport.listen(subjects.nudge(job.run), () => nudged.resolve());
      assert.equal((await job.renew()).answer, "go");
      begun.resolve();
      await nudged.promise;
      assert.deepEqual(await job.renew(), { answer: "stop", reason: "cancelled" });
      return { success: false, message: "Stopped", data: { reason: "cancelled" } };
    }),
  );
  await drive(world, "c");
  const run = await engine.submit(submission("a b c!"));
  await begun.promise;
  await engine.stop(run, { outcome: "cancelled", reason: "cancelled", message: "Cancelled by hand" });
  const events = await eventsOf(engine, run);
  assert.deepEqual(events.map(brief), [
    "run",
    "a started",
    "a failed",
    "b skipped",
    "c started",
    "c succeeded",
    "end cancelled",
  ]);
  const end = events.at(-1);
  assert.equal(end?.type === "end" && end.message, "Cancelled by hand");
  await engine.stop(run, { outcome: "failed", reason: "timeout", message: "late" });
  assert.equal((await endOf(engine, run)).outcome, "cancelled");
});

test("stop ends a run that waits in the queue without its driver", async () => {
  await using world = await openWorld();
  const engine = await world.engine();
  await drive(world, "c");
  const run = await engine.submit(submission("a c!"));
  await engine.stop(run, { outcome: "cancelled", reason: "cancelled", message: "no" });
  assert.deepEqual((await eventsOf(engine, run)).map(brief), [
    "run",
    "a skipped",
    "c started",
    "c succeeded",
    "end cancelled",
  ]);
  let begun = 0;
  await drive(world, "a", () => (begun++, OK));
  const next = await engine.submit(submission("a"));
  await endOf(engine, next);
  assert.equal(begun, 1, "the cancelled run's event, which came first, was not worked on");
});

test("a driver that was told to stop and lets go makes way for the cleanup", async () => {
  await using world = await openWorld();
  const engine = await world.engine({ clock: () => 0 });
  const begun = Promise.withResolvers<Job>();
  world.use(await scriptedDriver(world.transport, "a", (job) => (begun.resolve(job), undefined)));
  await drive(world, "b");
  const run = await engine.submit(submission("a b!"));
  const job = await begun.promise;
  await engine.stop(run, { outcome: "cancelled", reason: "cancelled", message: "no" });
  assert.equal((await job.letGo()).answer, "done");
  assert.equal((await endOf(engine, run)).outcome, "cancelled");
});

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

test("abandon ends a run at once and says so in its log", async () => {
  await using world = await openWorld();
  const engine = await world.engine();
  const working = Promise.withResolvers<Job>();
  world.use(
    await scriptedDriver(world.transport, "a", async (job) => {
      await job.log("one");
      working.resolve(job);
      return undefined;
    }),
  );
  const run = await engine.submit(submission("a b!"));
  const job = await working.promise;
  await engine.abandon(run, "Its process is gone");
  await engine.abandon(run, "twice");
  const events = await eventsOf(engine, run);
  assert.deepEqual(events.map(brief), [
    "run",
    "a started",
    "a 1 one",
    "a 2 Its process is gone",
    "a failed",
    "b skipped",
    "end failed",
  ]);
  assert.equal(events.find((event) => event.type === "log" && event.seq === 2 && event.stream)?.type, "log");
  const end = events.at(-1);
  assert.equal(end?.type === "end" && end.reason, "driver-lost");
  assert.deepEqual(await job.renew(), { answer: "stop", reason: "driver-lost" });
});

test("an engine says InputError of a run that does not exist", async () => {
  await using world = await openWorld();
  const engine = await world.engine();
  const why = { outcome: "failed", reason: "timeout", message: "" } as const;
  await assert.rejects(
    engine.stop(RUN, why),
    (error) => error instanceof InputError && /Unknown run/.test(error.message),
  );
  await assert.rejects(engine.abandon(RUN, ""), InputError);
  await assert.rejects(Array.fromAsync(engine.follow(RUN)), InputError);
});

test("an engine says whether a run is alive", async () => {
  await using world = await openWorld();
  const engine = await world.engine();
  const alive = async (run: string) => {
    const answer = await world.transport.request(subjects.alive(run), "", { timeoutMs: 1000 });
    return JSON.parse(new TextDecoder().decode(answer));
  };
  const run = await engine.submit(submission("a"));
  assert.deepEqual(await alive(run), { alive: true });
  await engine.abandon(run, "gone");
  assert.deepEqual(await alive(run), { alive: false });
  assert.deepEqual(await alive(randomUUID()), { alive: false });
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
  const engine = await world.engine();
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

test("an engine is not held up by messages that nobody can handle", async () => {
  await using world = await openWorld();
  const engine = await world.engine();
  const run = await engine.submit(submission("a"));
  const { resource } = submission("a");
  const bad = [
    "{",
    "[]",
    "null",
    '{"event":"driver.result"}',
    resultEvent(randomUUID(), resource, "a", OK),
    resultEvent("no uuid", resource, "a", OK),
    JSON.stringify({ event: "x", run_id: run, resource: "none", driverresult: { driver: "a" } }),
  ];
  for (const [i, data] of bad.entries()) {
    await world.transport.publish(subjects.result, data, { id: `bad-${i}` });
  }
  await world.transport.publish("pipelines.something.else", resultEvent(run, resource, "a", OK), {
    id: "else",
  });
  await drive(world, "a");
  await endOf(engine, run);
  for (const id of [...bad.keys()].map((i) => `bad-${i}`).concat("else")) {
    assert.equal(await world.transport.holds("pipeline-engine", id), false, `${id} is still there`);
  }
});

test("an engine answers a claim of an unknown run, and one that makes no sense, with stop", async () => {
  await using world = await openWorld();
  await world.engine();
  const ask = async (data: string) => {
    const answer = await world.transport.request(subjects.claim(RUN), data, { timeoutMs: 1000 });
    return JSON.parse(new TextDecoder().decode(answer));
  };
  const claim = { step: "a", event: `${RUN}/a/1`, delivery: 1, instance: "i", host: "h" };
  assert.deepEqual(await ask(JSON.stringify(claim)), { answer: "stop", reason: "cancelled" });
  for (const nonsense of ["{", "7", "{}", JSON.stringify({ ...claim, delivery: 0 })]) {
    assert.deepEqual(await ask(nonsense), { answer: "stop", reason: "invalid-event" });
  }
});

test("an engine fails a run whose secrets it cannot unseal, and does not start it without them", async () => {
  await using world = await openWorld();
  const first = await world.engine();
  const run = await first.submit(submission("a b!", { secrets: { TOKEN: "x" } }));
  await first[Symbol.asyncDispose]();
  const engine = await world.engine({ sealKey: new Uint8Array(32) });
  let begun = 0;
  await drive(world, "a", () => (begun++, OK));
  await drive(world, "b");
  const end = await endOf(engine, run);
  assert.equal(end.outcome, "failed");
  assert.match(end.message, /Cannot unseal the secrets/);
  assert.equal(begun, 0);
});

test("an engine starts the run that a Conveyor server asks for, once", async () => {
  await using world = await openWorld();
  const engine = await world.engine();
  await world.store.pipelines.put("line", submission("a b").pipeline, 0);
  for (const driver of ["a", "b"]) await drive(world, driver);
  const resource = { ...submission("a").resource, pipeline: "line" };
  const init = (run: string, changes: object = {}) =>
    JSON.stringify({
      event: "create",
      run_id: run,
      resource: { ...resource, ...changes },
      driverresult: { success: false, message: "", data: null, driver: "" },
    });
  const unknown = randomUUID();
  await world.transport.publish(subjects.pipelineInit, init(unknown, { pipeline: "none" }), {
    id: "unknown",
  });
  await world.transport.publish(subjects.pipelineInit, init(randomUUID(), { resource: "other" }), {
    id: "type",
  });
  const ids = ["first", "second"];
  for (const id of ids) await world.transport.publish(subjects.pipelineInit, init(RUN), { id });
  await drive(world, "x");
  // Its turn comes after theirs: the stream is in order.
  const after = await engine.submit(submission("x"));
  await endOf(engine, after);
  const events = await eventsOf(engine, RUN);
  assert.deepEqual(events.map(brief).filter((text) => text.startsWith("end")), ["end succeeded"]);
  assert.equal(await world.store.runs.get(unknown), undefined);
  for (const id of [...ids, "unknown", "type"]) {
    assert.equal(await world.transport.holds("pipeline-engine", id), false);
  }
});

test("follow leaves the lines out where they are not wanted, and ends early where its signal fires", async () => {
  await using world = await openWorld();
  const engine = await world.engine();
  const run = await engine.submit(submission("a"));
  const stopping = new AbortController();
  const seen: string[] = [];
  const following = (async () => {
    for await (const event of engine.follow(run, { signal: stopping.signal })) {
      seen.push(brief(event));
      stopping.abort();
    }
  })();
  await following;
  assert.deepEqual(seen, ["run"]);
  world.use(
    await scriptedDriver(world.transport, "a", async (job) => {
      await job.log("a line");
      return OK;
    }),
  );
  await endOf(engine, run);
  const bare = await Array.fromAsync(engine.follow(run, { logs: false }));
  assert.deepEqual(bare.map(brief), ["run", "a started", "a succeeded", "end succeeded"]);
  const end = bare.at(-1);
  assert.equal(end?.type === "end" && end.lines, 1);
});

test("follow ends early when its engine is disposed", async () => {
  await using world = await openWorld();
  const engine = await world.engine();
  const run = await engine.submit(submission("a"));
  const following = engine.follow(run)[Symbol.asyncIterator]();
  assert.equal((await following.next()).done, false);
  const rest = following.next();
  await engine[Symbol.asyncDispose]();
  assert.equal((await rest).done, true);
  await engine[Symbol.asyncDispose]();
});

test("dispose waits for what is in hand", async () => {
  await using world = await openWorld();
  const { transport } = world;
  const [publishing, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const slow: Transport = {
    ...transport,
    publish: async (subject, data, options) => {
      publishing.resolve();
      await gate.promise;
      return await transport.publish(subject, data, options);
    },
  };
  const engine = await world.engine({ transport: slow });
  const order: string[] = [];
  const submitted = engine.submit(submission("a")).then(() => order.push("submitted"));
  await publishing.promise;
  const disposed = engine[Symbol.asyncDispose]().then(() => order.push("disposed"));
  const other = await world.engine();
  await drive(world, "b");
  await endOf(other, await other.submit(submission("b")));
  gate.resolve();
  await Promise.all([submitted, disposed]);
  assert.deepEqual(order, ["submitted", "disposed"]);
});

test("follow lists the artifacts that are stored, with the paths that the result tells", async () => {
  await using world = await openWorld();
  const engine = await world.engine();
  const stored: { name: string; size: number; sha256: string }[] = [];
  world.use(
    await scriptedDriver(world.transport, "a", async ({ run }) => {
      for (const name of ["libz.a", "plain"]) {
        const bytes = ReadableStream.from([new TextEncoder().encode(name)]);
        stored.push({ name, ...await world.transport.putBlob(run, name, bytes) });
      }
      const artifacts = [{ ...stored[0], path: "build/libz.a" }, {
        name: "not kept",
        path: "x",
        size: 1,
        sha256: "",
      }, 7];
      return { success: true, message: "", data: { artifacts } };
    }),
  );
  const end = await endOf(engine, await engine.submit(submission("a")));
  const [lib, plain] = stored;
  assert.deepEqual(end.artifacts, [{ ...lib, path: "build/libz.a" }, { ...plain, path: "plain" }]);
});

test("follow tells a restart as another round of all steps", async () => {
  await using world = await openWorld();
  const engine = await world.engine();
  world.use(await scriptedDriver(world.transport, "a", async (job) => (await job.log("up"), OK)));
  let tries = 0;
  world.use(
    await scriptedDriver(world.transport, "b", async (job) => {
      await job.log(`try ${++tries}`);
      return tries === 1 ? { success: false, message: "lost", data: { reason: "driver-lost" } } : OK;
    }),
  );
  await drive(world, "c");
  const run = await engine.submit(submission("a b c!", { restarts: 1 }));
  const live = await eventsOf(engine, run);
  assert.deepEqual(live.map(brief), [
    "run",
    "a started",
    "a 1 up",
    "a succeeded",
    "b started",
    "b 2 try 1",
    "b failed",
    "a started",
    "a 3 up",
    "a succeeded",
    "b started",
    "b 4 try 2",
    "b succeeded",
    "c started",
    "c succeeded",
    "end succeeded",
  ]);
  assert.deepEqual(await eventsOf(engine, run), live);
});

test("follow places lines right that it sees before it hears of the step that wrote them", async () => {
  await using world = await openWorld();
  const { store } = world;
  const engine = await world.engine();
  const slow: Store = {
    ...store,
    runs: {
      ...store.runs,
      // Tells of the end only.
      watch: (id, changed) =>
        store.runs.watch(id, async () => {
          if ((await store.runs.get(id))?.value.outcome !== undefined) changed();
        }),
    },
  };
  const watching = await world.engine({ store: slow });
  for (const driver of ["a", "b"]) {
    world.use(await scriptedDriver(world.transport, driver, async (job) => (await job.log("here"), OK)));
  }
  const run = await engine.submit(submission("a x b"));
  const seen: string[] = [];
  for await (const event of watching.follow(run)) {
    seen.push(brief(event));
    if (brief(event) === "a 1 here") {
      world.use(await scriptedDriver(world.transport, "x", () => OK));
    }
  }
  assert.deepEqual(seen, [
    "run",
    "a started",
    "a 1 here",
    "a succeeded",
    "x started",
    "x succeeded",
    "b started",
    "b 2 here",
    "b succeeded",
    "end succeeded",
  ]);
});

test("follow still gives out every line that an attempt writes after it lost its claim", async () => {
  await using world = await openWorld();
  const engine = await world.engine();
  const late = Promise.withResolvers<void>();
  await drive(world, "a");
  world.use(
    await scriptedDriver(world.transport, "b", async (job) => {
      await late.promise;
      await job.log("in time");
      return OK;
    }),
  );
  const run = await engine.submit(submission("a b"));
  const seen: string[] = [];
  for await (const event of engine.follow(run)) {
    seen.push(brief(event));
    if (brief(event) === "b started") {
      await world.transport.publish(subjects.logs(run), logLine(run, "a", "a", "too late"), {
        headers: { "Conveyor-Step": "a", "Conveyor-Attempt": "1", "Conveyor-Lines": "1" },
      });
      late.resolve();
    }
  }
  assert.deepEqual(seen.slice(3), [
    "b started",
    "a 1 too late",
    "b 2 in time",
    "b succeeded",
    "end succeeded",
  ]);
});
