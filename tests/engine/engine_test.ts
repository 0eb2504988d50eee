import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { ConflictError } from "../../lib/backend/store.ts";
import type { Transport } from "../../lib/backend/transport.ts";
import { InputError } from "../../lib/base/errors.ts";
import { HEADERS } from "../../lib/wire/headers.ts";
import { digestOf, signed } from "../../lib/wire/signature.ts";
import { subjects } from "../../lib/wire/subjects.ts";
import { drive, OK } from "./support/drive.ts";
import { RUN, submission, TYPE } from "./support/runs.ts";
import { type Job, logLine, resultEvent, scriptedDriver } from "./support/scripted-driver.ts";
import { brief, endOf, eventsOf, openWorld } from "./support/world.ts";
import { patience } from "../support/within.ts";

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

test("submit hands a secret that is meant for one driver to that driver's steps only", async () => {
  await using world = await openWorld();
  const engine = await world.engine();
  const jobs: Job[] = [];
  for (const driver of ["a", "b"]) await drive(world, driver, (job) => (jobs.push(job), OK));
  const secrets = { TOKEN: "hunter2-hunter2", "b:git.example.com": "a token for b" };
  const run = await engine.submit(submission("a b", { secrets }));
  await endOf(engine, run);
  assert.deepEqual(jobs.map(({ secrets }) => secrets), [{ TOKEN: secrets.TOKEN }, secrets]);
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

test("an engine says whether a run is alive, and which driver it waits for as long as nobody works on its step", async () => {
  await using world = await openWorld();
  const ackWaitMs = 30_000;
  let now = 0;
  const engine = await world.engine({ clock: () => now, ackWaitMs });
  const alive = async (run: string) => {
    const answer = await world.transport.request(subjects.alive(run), "", { timeoutMs: 1000 });
    return JSON.parse(new TextDecoder().decode(answer));
  };
  const run = await engine.submit(submission("a"));
  assert.deepEqual(await alive(run), { alive: true, waitsFor: "a" });
  const begun = Promise.withResolvers<Job>();
  world.use(await scriptedDriver(world.transport, "a", (job) => (begun.resolve(job), undefined)));
  const job = await begun.promise;
  now = ackWaitMs;
  assert.deepEqual(await alive(run), { alive: true });
  now += 3000;
  assert.deepEqual(await alive(run), { alive: true, waitsFor: "a" });
  await job.renew();
  assert.deepEqual(await alive(run), { alive: true });
  await engine.abandon(run, "gone");
  assert.deepEqual(await alive(run), { alive: false });
  assert.deepEqual(await alive(randomUUID()), { alive: false });
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

test("a driver hears which try its attempt is since the run's last fresh start", async () => {
  await using world = await openWorld();
  const engine = await world.engine();
  const heard: unknown[] = [];
  world.use(
    await scriptedDriver(world.transport, "a", async (job) => {
      const reply = await job.renew();
      heard.push(reply.answer === "go" && [reply.attempt, reply.tries]);
      return heard.length === 1 ? { success: false, message: "lost", data: { reason: "driver-lost" } } : OK;
    }),
  );
  await endOf(engine, await engine.submit(submission("a", { restarts: 1 })));
  assert.deepEqual(heard, [[1, 1], [2, 1]]);
});

test("a driver of another release may say more than the engine knows, in claims, logs and results", async () => {
  await using world = await openWorld();
  const { transport } = world;
  const engine = await world.engine();
  const spec = {
    stream: "messages",
    name: "a",
    filters: [subjects.step("a", TYPE)],
    ackWaitMs: 30_000,
  } as const;
  await transport.ensureConsumer(spec);
  const run = await engine.submit(submission("a"));
  const events = transport.consume(spec, { signal: patience() })[Symbol.asyncIterator]();
  const { value: delivery } = await events.next();
  const more = { mood: "good", next: { kind: "later" } };
  const digest = digestOf(delivery.data);
  const request = { step: "a", event: delivery.id, delivery: 1, instance: "i", host: "h", digest, ...more };
  const answer = await transport.request(subjects.claim(run, "a"), JSON.stringify(request), {
    timeoutMs: 5000,
  });
  const reply = JSON.parse(new TextDecoder().decode(answer));
  assert.equal(reply.answer, "go");
  const publish = (subject: string, data: string, headers: Record<string, string>) => {
    const id = crypto.randomUUID();
    return transport.publish(subject, data, {
      id,
      headers: signed(reply.key, { subject, id, headers }, data),
    });
  };
  const headers = { [HEADERS.step]: "a", [HEADERS.attempt]: "1", "Conveyor-Mood": "good" };
  const line = { ...JSON.parse(logLine(run, "a", "a", "a line")), ...more };
  await publish(subjects.logs(run), `${JSON.stringify(line)}\n`, { ...headers, [HEADERS.lines]: "1" });
  const { payload } = JSON.parse(new TextDecoder().decode(delivery.data));
  const result = JSON.parse(resultEvent(run, JSON.parse(payload), "a", OK));
  Object.assign(result, more);
  Object.assign(result.driverresult, more);
  await publish(subjects.result, JSON.stringify(result), headers);
  await delivery.ack();
  assert.equal((await endOf(engine, run)).outcome, "succeeded");
  const told = (await eventsOf(engine, run)).map(brief);
  assert.ok(told.includes("a 1 a line") && told.includes("a succeeded"), told.join(", "));
});
