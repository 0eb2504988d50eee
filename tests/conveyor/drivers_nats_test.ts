import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { jetstream } from "@nats-io/jetstream";
import { builder } from "../../drivers/builder.ts";
import { connectNats } from "../../lib/backend/nats/connection.ts";
import { registerResources } from "../../lib/driver/conveyor/register-resources.ts";
import type { Context } from "../../lib/driver/driver.ts";
import type { GoLog } from "../support/conveyor/go.ts";
import { openStage, simple, succeeded } from "./stage.ts";
import { patience } from "../support/within.ts";
import { until } from "../support/until.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("broker");

const TYPE = "bench-type";
const pki = (name: string): string => fileURLToPath(new URL(`pki/${name}`, import.meta.url));

function fixture(name: string): { subject: string; data: string } {
  return JSON.parse(readFileSync(new URL(`../fixtures/wire/${name}.json`, import.meta.url), "utf8"));
}

test("a log is complete and in order in the server's GET /logs, and stored before the result", async () => {
  const LINES = 3000;
  const wanted = Array.from({ length: LINES }, (_, i) => `line ${i + 1}`);
  await using stage = await openStage({
    drivers: [simple("talker", async ({ log }) => {
      for (let i = 0; i < LINES; i += 100) {
        await log.write("stdout", Buffer.from(wanted.slice(i, i + 100).join("\n") + "\n"));
      }
      return succeeded();
    })],
  });
  const live: string[] = [];
  await using _live = await stage.transport.listen(
    "live.logs.*.talker",
    ({ data }) => live.push(Buffer.from(data).toString()),
  );
  const connection = await connectNats({ servers: [stage.server.nats] });
  await using _connection = { [Symbol.asyncDispose]: () => connection.close() };
  await stage.pipeline("talk", TYPE, ["talker"]);

  const run = await stage.server.create({ name: "app", resource: TYPE, pipeline: "talk", spec: {} });
  await stage.result(run, "talker");
  const { state } = await (await jetstream(connection).jetstreamManager()).streams.info("logs-engine");
  assert.equal(state.last_seq, LINES);
  let logs: GoLog[] = [];
  while (logs.length < LINES) logs = await stage.server.logs(run);
  assert.deepEqual(logs.map(({ message }) => message), wanted);
  assert.deepEqual(
    [...new Set(logs.map(({ runid, driver, pipeline }) => `${runid} ${driver} ${pipeline}`))],
    [
      `${run} talker talk`,
    ],
  );
  // They are shown no faster than a reader of the server's stream gets them.
  await until(() => live.length >= LINES, "all lines are shown");
  assert.deepEqual(live.map((text) => JSON.parse(text)), logs);
});

test("the server's stream of a run shows its lines in order, those before and those after it was opened", async () => {
  const go = Promise.withResolvers<void>();
  const shown = Promise.withResolvers<void>();
  await using stage = await openStage({
    drivers: [simple("talker", async ({ log }) => {
      await log.line("before");
      await go.promise;
      await log.line("after 1\nafter 2");
      return succeeded();
    })],
  });
  // Whose live copy is still to come would be seen twice: stored, and live.
  await using _live = await stage.transport.listen("live.logs.*.talker", () => shown.resolve());
  await stage.pipeline("talk", TYPE, ["talker"]);
  const run = await stage.server.create({ name: "app", resource: TYPE, pipeline: "talk", spec: {} });
  await shown.promise;
  while ((await stage.server.logs(run)).length < 1);
  const response = await fetch(`${stage.server.api}/logs/pipeline/${run}`);
  let text = "";
  const messages = () =>
    [...text.matchAll(/^data: (.*)$/gm)].map(([, line]) => JSON.parse(line ?? "").message);
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    if (messages().length === 1) go.resolve();
    if (messages().length === 3) break;
  }
  assert.deepEqual(messages(), ["before", "after 1", "after 2"]);
});

test("drivers answer captured events with what the server's own drivers were seen to send", async () => {
  const started = { containerID: "c0ffee" };
  await using stage = await openStage({
    drivers: [
      simple("drv-noop", () => succeeded(started)),
      simple("drv-log", () => succeeded({ errors: 0, lines: 5, ms: 1.568, per_s: 3188.3932283629256 })),
      simple("drv-stop", () => succeeded(started)),
      simple("drv-fail", () => ({ success: false, message: "compile error: exit code 2" })),
    ],
  });
  const feed = async (event: string, driver: string) => {
    const { subject, data } = fixture(event);
    await stage.transport.publish(subject, data);
    const { run_id } = JSON.parse(data);
    const { text } = await stage.server.result((one) =>
      one.run_id === run_id && one.driverresult.driver === driver
    );
    return JSON.parse(text);
  };
  const seen = (name: string) => JSON.parse(fixture(`pipelines-driver-result-${name}`).data);
  assert.deepEqual(await feed("drivers-step1", "drv-noop"), seen("step1"));
  assert.deepEqual(await feed("drivers-step2", "drv-log"), seen("step2"));
  assert.deepEqual(await feed("resources-create", "drv-stop"), seen("nopipeline"));
  const step3 = await feed("drivers-step3", "drv-stop");
  assert.deepEqual(step3.resource, JSON.parse(JSON.parse(fixture("drivers-step3").data).payload));
  assert.deepEqual(step3.driverresult, { success: true, message: "ok", data: started, driver: "drv-stop" });
  assert.deepEqual(stage.server.lost.filter((why) => !why.includes("not found")), []);
});

test("a result echoes the resource as it came, unknown fields and big numbers included", async () => {
  const { data } = fixture("drivers-step1");
  const payload = JSON.parse(data).payload
    .replace('"spec":{', '"spec":{"big":12345678901234567890,"real":1.0,')
    .replace(/\}$/, ',"labels":{"z":1,"a":[2]}}');
  await using stage = await openStage({ drivers: [simple("drv-noop", () => succeeded())] });
  await stage.transport.publish(
    `drivers.drv-noop.resources.${TYPE}`,
    JSON.stringify({ ...JSON.parse(data), payload }),
  );
  const { text } = await stage.server.result(() => true);
  assert.match(payload, /12345678901234567890.*"labels"/);
  assert.ok(text.includes(`"resource":${payload},"driverresult"`), text);
});

for (const newer of [false, true]) {
  const server = newer
    ? "a newer server, which nests results,"
    : "a server up to 0.6.6, which keeps results as text,";

  test(`a pipeline goes from step to step with ${server} and each step sees the results before it`, async () => {
    const seen: Pick<Context, "event" | "step" | "results" | "claimed">[] = [];
    const see = (data: unknown) => ({ event, step, results, claimed }: Context) => {
      seen.push({ event, step, results, claimed });
      return succeeded(data);
    };
    await using stage = await openStage({
      newer,
      drivers: [simple("one", see({ n: 1, text: "<&>" })), simple("two", see([2])), simple("three", see(3))],
    });
    await stage.pipeline("three-steps", TYPE, ["one", "two", "three"]);
    const run = await stage.server.create({ name: "app", resource: TYPE, pipeline: "three-steps", spec: {} });
    await stage.result(run, "three");
    const one = { success: true, message: "ok", data: { n: 1, text: "<&>" }, driver: "one" };
    const two = { success: true, message: "ok", data: [2], driver: "two" };
    assert.deepEqual(seen.map(({ results }) => results), [{}, { one }, { one, two }]);
    assert.deepEqual(seen.map(({ event }) => event), [
      "create",
      ...Array(2).fill(newer ? "create" : "process"),
    ]);
    assert.deepEqual(
      seen.map(({ step }) => step),
      newer ? ["step-1", "step-2", "step-3"] : ["one", "two", "three"],
    );
    assert.deepEqual(seen.map(({ claimed }) => claimed), [false, false, false]);
    assert.deepEqual(stage.server.lost, []);
  });
}

test("drivers work on update and delete of a newer server, with the operation's name in every step", async () => {
  const seen: string[] = [];
  const see = ({ event, step, resource: { spec } }: Context) => {
    seen.push(`${event} ${step} ${JSON.stringify(spec)}`);
    return succeeded();
  };
  await using stage = await openStage({ newer: true, drivers: [simple("one", see), simple("two", see)] });
  await stage.pipeline("two-steps", TYPE, ["one", "two"]);
  const resource = { name: "app", resource: TYPE, pipeline: "two-steps", spec: { n: 1 } };
  await stage.result(await stage.server.create(resource), "two");
  const path = `/resources/${TYPE}/app`;
  const { body } = await stage.server.call("PUT", path, { ...resource, spec: { n: 2 } });
  await stage.result((body as { runid: string }).runid, "two");
  assert.equal((await stage.server.call("DELETE", path)).status, 204);
  await stage.server.result(({ resource, driverresult: { driver } }) =>
    resource.metadata?.current_pipeline_event === "delete" && driver === "two"
  );
  while (stage.server.resource(TYPE, "app"));
  assert.deepEqual(
    seen,
    ["create", "update", "delete"].flatMap((event) =>
      ["step-1", "step-2"].map((step) => `${event} ${step} {"n":${event === "create" ? 1 : 2}}`)
    ),
  );
});

test("a failed step ends the run with a result of a few fixed words, and no later driver hears of it", async () => {
  const heard: string[] = [];
  await using stage = await openStage({
    drivers: [
      simple("fails", () => Promise.reject(new Error("no such thing"))),
      simple("later", ({ run }) => (heard.push(run), succeeded())),
    ],
  });
  await stage.pipeline("failing", TYPE, ["fails", "later"]);
  await stage.pipeline("other", TYPE, ["later"]);
  const run = await stage.server.create({ name: "app", resource: TYPE, pipeline: "failing", spec: {} });
  const { success, data } = await stage.result(run, "fails");
  assert.deepEqual([success, (data as { reason: string }).reason], [false, "driver-error"]);
  const next = await stage.server.create({ name: "app-2", resource: TYPE, pipeline: "other", spec: {} });
  await stage.result(next, "later");
  assert.deepEqual(heard, [next]);
});

test("a server with authentication takes our certificate on its broker and our signed token on its API", async () => {
  const ca = pki("ca.pem");
  const tls = { ca, cert: pki("es256.pem"), key: pki("es256.key") };
  const config = `tls { cert_file: "${pki("server.pem")}", key_file: "${
    pki("server.key")
  }", ca_file: "${ca}", verify: true }`;
  await using stage = await openStage({
    drivers: [simple("one", () => succeeded())],
    ca: await readFile(ca, "utf8"),
    config,
    nats: { tls },
    tls,
  });
  const { api } = stage.server;
  assert.deepEqual(await stage.server.call("GET", "/resource-definitions/flutter-builder"), {
    status: 401,
    body: { error: "missing Authorization header" },
  });
  const credentials = { tlsCert: tls.cert, tlsKey: tls.key, tlsCa: tls.ca };
  await registerResources(builder, { api, credentials, signal: patience() });
  const { body } = await stage.server.call(
    "GET",
    "/resource-definitions/flutter-builder",
    undefined,
    credentials,
  );
  assert.equal((body as { name: string }).name, "flutter-builder");
});

test("a resource of a registered type is checked by the server against our schema", async () => {
  await using stage = await openStage({ drivers: [] });
  const { api } = stage.server;
  await registerResources(builder, { api, credentials: {}, signal: patience() });
  const create = (name: string, spec: unknown) =>
    stage.server.call("POST", "/resources", { name, resource: "flutter-builder", spec });
  const repository = "https://github.com/example/app.git";
  assert.equal((await create("good", { repository, env: [{ name: "A", value: "1" }] })).status, 201);
  assert.equal((await create("bad", { repository, comands: ["make"] })).status, 400);
});

test("the owner of containers beside a Conveyor server is the same for all drivers, and known to be no engine of ours", async () => {
  await using stage = await openStage({ drivers: [] });
  const { owner, isConveyors } = await stage.transport.owner();
  assert.equal(isConveyors, true);
  assert.equal((await stage.transport.owner()).owner, owner);
});
