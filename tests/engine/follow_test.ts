import assert from "node:assert/strict";
import { test } from "node:test";
import type { Store } from "../../lib/backend/store.ts";
import { subjects } from "../../lib/wire/subjects.ts";
import { drive, OK } from "./support/drive.ts";
import { submission } from "./support/runs.ts";
import { logLine, scriptedDriver } from "./support/scripted-driver.ts";
import { brief, endOf, eventsOf, openWorld } from "./support/world.ts";

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
