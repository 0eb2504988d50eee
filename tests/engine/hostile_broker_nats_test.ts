import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connectNats } from "../../lib/backend/nats/connection.ts";
import type { NatsBackend } from "../../lib/backend/nats/transport.ts";
import type { Context } from "../../lib/driver/driver.ts";
import { aborted } from "../../lib/base/signals.ts";
import { HEADERS } from "../../lib/wire/headers.ts";
import { ids } from "../../lib/wire/ids.ts";
import type { DriverResult, PipelineStep } from "../../lib/wire/resource.ts";
import { subjects } from "../../lib/wire/subjects.ts";
import { type NatsPlane, openNatsPlane } from "../support/nats-plane.ts";
import { captureLog } from "../support/process-log.ts";
import { testSettings } from "../support/settings.ts";
import { until } from "../support/until.ts";
import { submission } from "./support/runs.ts";
import { logLine, resultEvent } from "./support/scripted-driver.ts";
import { endOf, eventsOf } from "./support/world.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("broker");

const OK: DriverResult = { success: true, message: "done" };
const SECRET = "s3cret-of-the-build-1234567890";

/** A driver whose step is at work until it is told to end. */
async function atWork(plane: NatsPlane, name: string, result: DriverResult = OK) {
  const begun = Promise.withResolvers<Context>();
  const ending = Promise.withResolvers<void>();
  let count = 0;
  await plane.driver(name, async (context) => {
    count++;
    await context.log.line(`${name} begins`);
    begun.resolve(context);
    await ending.promise;
    await context.log.line(`${name} ends`);
    return result;
  }, { claimsOnly: true });
  return { begun: begun.promise, end: ending.resolve, count: () => count };
}

test("a forged result, unsigned or signed with another key, does not end a step", async () => {
  await using log = await captureLog();
  await using plane = await openNatsPlane();
  const { engine } = plane;
  const worker = await atWork(plane, "a", { success: false, message: "exit code 9" });
  const stranger = await plane.connect();
  const run = await engine.submit(submission("a"));
  const { resource, attempt } = await worker.begun;
  const forged = resultEvent(run, resource, "a", { success: true, message: "forged" });
  const signatures: Record<string, string>[] = [
    {},
    { [HEADERS.step]: "a", [HEADERS.attempt]: String(attempt) },
    {
      [HEADERS.step]: "a",
      [HEADERS.attempt]: String(attempt),
      [HEADERS.digest]: "x",
      [HEADERS.signature]: Buffer.alloc(32).toString("base64url"),
    },
  ];
  for (const [n, headers] of signatures.entries()) {
    await stranger.publish(subjects.result, forged, { id: `forged ${n}`, headers });
  }
  await until(async () => !await plane.transport.holds("pipeline-engine", "forged 2"));
  assert.equal((await plane.store.runs.get(run))?.value.steps[0]?.status, "running");
  worker.end();
  const end = await endOf(engine, run);
  assert.deepEqual([end.outcome, end.message], ["failed", 'Step "a" failed: exit code 9']);
  assert.ok((await log.line(/is not signed/)).length > 0);
});

test("a result that was seen on the wire counts for no other run, step or attempt when it is sent again", async () => {
  await using plane = await openNatsPlane();
  const { engine, transport } = plane;
  await plane.driver("a", () => OK);
  const slow = await atWork(plane, "b", { success: false, message: "no" });
  const stranger = await plane.connect();
  const heard: { data: Uint8Array; headers: Record<string, string> }[] = [];
  const listening = await connectNats({ servers: [plane.server.url], name: "tap" });
  listening.subscribe(subjects.result, {
    callback: (_, { data, headers }) => {
      heard.push({ data, headers: Object.fromEntries([...headers ?? []].map(([k, [v = ""]]) => [k, v])) });
    },
  });
  await listening.flush();
  const first = await engine.submit(submission("a b"));
  await slow.begun;
  const seen = heard[0];
  assert.ok(seen?.headers[HEADERS.signature]);
  const text = new TextDecoder().decode(seen.data);
  const { "Nats-Msg-Id": _id, ...headers } = seen.headers;
  // As it was, under other ids; for the step that is at work now; and with another body.
  await stranger.publish(subjects.result, text, { id: "replay 1", headers });
  await stranger.publish(subjects.result, text.replace('"driver":"a"', '"driver":"b"'), {
    id: "replay 2",
    headers: { ...headers, [HEADERS.step]: "b" },
  });
  await stranger.publish(subjects.result, text.replace("done", "gone"), { id: "replay 3", headers });
  await until(async () => !await transport.holds("pipeline-engine", "replay 3"));
  assert.deepEqual(
    (await plane.store.runs.get(first))?.value.steps.map(({ id, status }) => [id, status]),
    [["a", "succeeded"], ["b", "running"]],
  );
  slow.end();
  assert.equal((await endOf(engine, first)).outcome, "failed");
  await listening.close();
});

test("a forged event for a live run is worked on by nobody, with claims or without, whatever its body", async () => {
  await using log = await captureLog();
  await using plane = await openNatsPlane();
  const { engine } = plane;
  const worker = await atWork(plane, "a");
  const stopped: string[] = [];
  await plane.driver("stop", ({ run, resource }) => {
    stopped.push(`${run} ${JSON.stringify(resource.spec)}`);
    return OK;
  }, { claimsOnly: true });
  const stranger = await plane.connect();
  const run = await engine.submit(submission("a stop!"));
  const { resource } = await worker.begun;
  const body = (spec: unknown) =>
    JSON.stringify({
      event: "delete",
      payload: JSON.stringify({ ...resource, spec, metadata: { current_pipeline_step: "stop" } }),
      id: "0".repeat(24),
      run_id: run,
    });
  const subject = subjects.step("stop", "thing");
  const claims = { [HEADERS.claims]: "1", [HEADERS.step]: "stop" };
  await stranger.publish(subject, body(1), { id: "without claims" });
  await stranger.publish(subject, body(2), { id: "of no dispatch", headers: claims });
  // The id that the engine will give to its own event.
  await stranger.publish(subject, body(3), { id: ids.event(run, "stop", 7), headers: claims });
  for (const id of ["without claims", "of no dispatch", ids.event(run, "stop", 7)]) {
    await until(async () => !await plane.transport.holds("messages", id));
  }
  assert.deepEqual(stopped, []);
  assert.ok((await log.line(/does not come from the control plane/)).length > 0);
  worker.end();
  assert.equal((await endOf(engine, run)).outcome, "succeeded");
  assert.deepEqual(stopped, [`${run} {"size":1}`]);
});

test("an event of the current dispatch with another body is not worked on", async () => {
  await using plane = await openNatsPlane({ engine: { ackWaitMs: 600 } });
  const { engine } = plane;
  const stranger = await plane.connect();
  // Nobody takes the engine's own event before the forged one, which has its id and comes to the host's
  // consumer.
  const seen: string[] = [];
  const run = await engine.submit(submission("a"));
  await until(async () => await plane.transport.holds("messages", ids.event(run, "a", 1)));
  await stranger.ensureConsumer({
    stream: "messages",
    name: "a_at_here",
    filters: [subjects.stepOnHost("a", "here", "thing")],
    ackWaitMs: 600,
  });
  const forged = JSON.stringify({
    event: "create",
    payload: JSON.stringify({ ...submission("a").resource, spec: "forged" }),
    id: "0".repeat(24),
    run_id: run,
  });
  const id = ids.forwarded(ids.event(run, "a", 1), "here");
  const headers = { [HEADERS.claims]: "1", [HEADERS.step]: "a" };
  await stranger.publish(subjects.stepOnHost("a", "here", "thing"), forged, { id, headers });
  await plane.driver("a", ({ resource }) => {
    seen.push(JSON.stringify(resource.spec));
    return OK;
  }, { claimsOnly: true });
  assert.equal((await endOf(engine, run)).outcome, "succeeded");
  await until(async () => !await plane.transport.holds("messages", id));
  assert.deepEqual(seen, ['{"size":1}']);
});

test("forged and repeated log batches are no lines of a run, live, replayed, resumed, counted or in its tail", async () => {
  await using plane = await openNatsPlane();
  const { engine, store } = plane;
  const worker = await atWork(plane, "a");
  const stranger = await plane.connect();
  const tap = await connectNats({ servers: [plane.server.url], name: "tap" });
  const heard: { data: Uint8Array; headers: Record<string, string> }[] = [];
  tap.subscribe("logs.>", {
    callback: (_, { data, headers }) => {
      heard.push({ data, headers: Object.fromEntries([...headers ?? []].map(([k, [v = ""]]) => [k, v])) });
    },
  });
  await tap.flush();
  const run = await engine.submit(submission("a"));
  const events = eventsOf(engine, run);
  await worker.begun;
  await until(() => heard.length > 0);
  const genuine = heard[0];
  assert.ok(genuine);
  const subject = subjects.logs(run);
  const { "Nats-Msg-Id": id = "", ...headers } = genuine.headers;
  const manager = await jetstreamManager(tap);
  // The broker forgets ids: as it is after two minutes.
  const { config } = await manager.streams.info("logs-engine");
  await manager.streams.update("logs-engine", { ...config, duplicate_window: 100e6 });
  const count = heard.length;
  await until(async () => {
    await stranger.publish(subject, genuine.data, { id, headers });
    return (await manager.streams.info("logs-engine")).state.messages > count;
  });
  const line = logLine(run, "a", "a", "forged");
  await stranger.publish(subject, line);
  await stranger.publish(subject, line, { headers: { [HEADERS.step]: "a", [HEADERS.lines]: "900000000" } });
  await stranger.publish(subject, line, { headers: { ...headers, [HEADERS.lines]: "7" } });
  worker.end();
  assert.equal((await endOf(engine, run)).outcome, "succeeded");
  const expected = ["1 a begins", "2 a ends"];
  const shown = (await events).flatMap((event) =>
    event.type === "log" ? [`${event.seq} ${event.message}`] : []
  );
  assert.deepEqual(shown, expected);
  assert.equal((await events).flatMap((event) => event.type === "end" ? [event.lines] : [])[0], 2);
  const batches = await Array.fromAsync(store.logs.read(run));
  assert.deepEqual(batches.map(({ firstSeq, lines }) => `${firstSeq} ${lines[0]?.message}`), expected);
  const after = batches[0]?.cursor ?? "";
  const resumed = await Array.fromAsync(store.logs.read(run, { after }));
  assert.deepEqual(
    resumed.map(({ firstSeq, lines }) => `${firstSeq} ${lines[0]?.message}`),
    expected.slice(1),
  );
  assert.deepEqual((await store.logs.tail(run, 10)).map(({ message }) => message), ["a begins", "a ends"]);
  assert.equal(await store.logs.count(run), 2);
  await tap.close();
});

test("nobody lets go of, or renews, an attempt without its key, and gets no key of another driver's step", async () => {
  await using plane = await openNatsPlane();
  const { engine } = plane;
  const worker = await atWork(plane, "a");
  const stranger = await plane.connect();
  const run = await engine.submit(submission("a"));
  const { attempt } = await worker.begun;
  const step = (await plane.store.runs.get(run))?.value.steps[0];
  assert.ok(step?.instance);
  const request = {
    step: "a",
    event: ids.event(run, "a", 1),
    delivery: 1,
    host: "here",
    digest: step.digest,
  };
  const invalid = { answer: "stop", reason: "invalid-event" };
  const ask = (driver: string, more: object) =>
    asked(stranger, subjects.claim(run, driver), { ...request, ...more });
  assert.deepEqual(await ask("a", { instance: step.instance, attempt, letsGo: true }), invalid);
  assert.deepEqual(
    await ask("a", { instance: step.instance, attempt, nonce: "1", proof: "x".repeat(43) }),
    invalid,
  );
  assert.deepEqual(await ask("b", { instance: step.instance }), invalid);
  assert.deepEqual(await ask("a", { instance: step.instance, digest: "other" }), invalid);
  assert.equal((await plane.store.runs.get(run))?.value.steps[0]?.status, "running");
  worker.end();
  assert.equal((await endOf(engine, run)).outcome, "succeeded");
  assert.equal(worker.count(), 1);
});

test("the accounts of docs/nats-server.conf are enough for a whole run, and for nothing else", async () => {
  await using log = await captureLog();
  const names = ["control-plane", "container-start", "git-cloner", "builder", "container-stop"];
  const conf = await readFile(new URL("../../docs/nats-server.conf", import.meta.url), "utf8");
  const config = conf.replace(/\$([A-Z_]+_PASSWORD)/g, '"$1"').replace(/^listen:.*$/m, "")
    .replace(/jetstream \{[^}]*\}/, "");
  await using plane = await openNatsPlane({
    config,
    login: (role, port) => {
      const user = names.includes(role) ? role : "builder";
      const name = user === "control-plane" ? "conveyor-up" : `conveyor-${user}`;
      const password = `${user.toUpperCase().replace("-", "_")}_PASSWORD`;
      return { servers: [`nats://${user}:${password}@127.0.0.1:${port}`], name };
    },
  });
  const { engine, store } = plane;
  const settings = testSettings({ host: "ci-1" });
  for (const name of names.slice(1)) {
    await plane.driver(name, async ({ log, run, putArtifact, secrets }) => {
      await log.line(`${name} works on ${run}`);
      if (name === "builder") {
        assert.equal(secrets["TOKEN"], SECRET);
        for (const part of ["app.apk", "app.apk", "other.txt"]) {
          await putArtifact(
            part,
            (async function* () {
              yield new Uint8Array(500_000);
            })(),
          );
        }
      }
      return { ...OK, data: name === "container-start" ? { host: "ci-1" } : {} };
    }, { settings, claimsOnly: true });
  }
  const steps: PipelineStep[] = names.slice(1).map((name) => (
    { id: name, name, driver: name, ...name === "container-stop" && { always: true } }
  ));
  const pipeline = { name: "build", resource: "thing", steps };
  const run = await engine.submit(submission("a", { pipeline, secrets: { TOKEN: SECRET } }));
  const end = await endOf(engine, run);
  assert.equal(end.outcome, "succeeded", end.message);
  assert.equal(end.lines, 4);
  assert.deepEqual((await store.artifacts.list(run)).map(({ name }) => name), ["app.apk", "other.txt"]);
  assert.equal((await Array.fromAsync(await store.artifacts.open(run, "app.apk") ?? [])).length > 0, true);
  await store.removeRun(run);
  // A driver that has no room is asked why, and answers.
  const full = "Waiting for a slot";
  await plane.driver("container-start", () => OK, {
    settings,
    claimsOnly: true,
    driver: {
      name: "container-start",
      resources: ["thing"],
      usesDocker: false,
      reconcile: () => Promise.resolve(OK),
      admit: async ({ tell, signal }) => {
        tell(full);
        await aborted(signal);
        return false;
      },
    },
  });
  await until(async () => {
    const answer = await plane.transport.request("room.container-start", "", { timeoutMs: 5000 });
    return new TextDecoder().decode(answer).includes(full);
  }, "it says why it has no room");
  assert.deepEqual(log.lines.filter((line) => /permission/i.test(line)), []);

  // What a driver may not: take the steps of others, hand out steps, answer claims, read their inboxes,
  // change streams.
  const builder = await connectNats({
    servers: [`nats://builder:BUILDER_PASSWORD@127.0.0.1:${plane.server.port}`],
    name: "conveyor-builder",
  });
  const refused: string[] = [];
  const watching = (async () => {
    for await (const status of builder.status()) {
      if (status.type === "error") refused.push(status.error.message);
    }
  })();
  const denied = [
    "drivers.container-stop.resources.thing",
    "runs.x.claim.git-cloner",
    "runs.x.nudge",
    "pipelines.pipeline.init",
    "$JS.API.CONSUMER.MSG.NEXT.messages.git-cloner",
    "$JS.API.STREAM.DELETE.messages",
    "$JS.API.STREAM.PURGE.logs-engine",
    "_INBOX.conveyor-git-cloner.x",
    "_INBOX.conveyor-up.x",
    "room.container-start",
    "conveyor-room",
    "$JS.API.STREAM.CREATE.messages",
    "$JS.API.STREAM.MSG.GET.logs-engine",
    "$JS.API.CONSUMER.DELETE.messages.builder",
  ];
  for (const subject of denied) builder.publish(subject, "{}");
  const listened = [
    "runs.*.claim.*",
    "runs.*.alive",
    "_INBOX.>",
    "_INBOX.conveyor-up.>",
    "room.container-start",
    "runs.>",
    "pipelines.>",
    "logs.>",
    "drivers.>",
  ];
  for (const subject of listened) builder.subscribe(subject, { callback: () => {} });
  await builder.flush();
  for (const subject of [...denied, ...listened]) {
    await until(() => refused.some((text) => text.includes(`"${subject}"`)), `"${subject}" is refused`);
  }
  await builder.close();
  await watching;
});

test("secrets of a run are in no file of the broker and of the data folder, while it runs and after it", async () => {
  await using plane = await openNatsPlane();
  const { engine, store } = plane;
  let sealed = "";
  await plane.driver("a", async ({ secrets, run, log }) => {
    assert.equal(secrets["TOKEN"], SECRET);
    sealed = (await store.secrets.get(run))?.value ?? "";
    await log.line(`It is ${SECRET}`);
    return { success: true, message: `done with ${SECRET}`, data: { token: SECRET } };
  });
  const run = await engine.submit(submission("a", { secrets: { TOKEN: SECRET } }));
  assert.equal((await endOf(engine, run)).outcome, "succeeded");
  assert.ok(sealed.length > 50);
  const what = [SECRET, sealed.slice(10, 60), Buffer.from(sealed.slice(3), "base64").subarray(0, 32)];
  for (const folder of [plane.folder, plane.server.store]) {
    assert.deepEqual(await filesWith(folder, what), []);
  }
});

async function asked(transport: NatsBackend, subject: string, request: object): Promise<unknown> {
  const answer = await transport.request(subject, JSON.stringify(request), { timeoutMs: 5000 });
  return JSON.parse(new TextDecoder().decode(answer));
}

async function filesWith(folder: string, what: readonly (string | Uint8Array)[]): Promise<string[]> {
  const found: string[] = [];
  let files = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    files++;
    const bytes = await readFile(join(entry.parentPath, entry.name));
    if (what.some((one) => bytes.includes(one))) found.push(entry.name);
  }
  assert.ok(files > 0, folder);
  return found;
}
