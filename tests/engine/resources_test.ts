import assert from "node:assert/strict";
import { test } from "node:test";
import { resourceKey } from "../../lib/backend/store.ts";
import { HEADERS } from "../../lib/wire/headers.ts";
import { until } from "../support/until.ts";
import { type Ask, openApi, PIPELINE } from "./support/api.ts";
import { RUN, stepsOf, TYPE } from "./support/runs.ts";
import { type Job, scriptedDriver } from "./support/scripted-driver.ts";
import { openWorld, type World } from "./support/world.ts";

const JSON_TYPE = { "content-type": "application/json" };
const SCHEMA = {
  type: "object",
  required: ["n"],
  properties: { n: { type: "integer" }, e: { format: "email" } },
};

/** An API with the type `box`, whose spec has a number, and no drivers. */
async function openPlane() {
  const world = await openWorld();
  const { ask, engine } = await openApi(world);
  const send = async (method: string, path: string, body?: unknown, more: Ask = {}) => {
    const headers = { ...JSON_TYPE, ...more.headers };
    const answer = await ask(method, path, { ...more, headers, ...body !== undefined && { body } });
    const text = await answer.text();
    const isJson = answer.response.headers.get("content-type")?.startsWith("application/json");
    return {
      status: answer.status,
      headers: answer.response.headers,
      text,
      body: isJson ? JSON.parse(text) : text,
    };
  };
  const defined = await send("POST", "/resource-definitions", { name: "box", schema: SCHEMA });
  assert.equal(defined.status, 201);
  return { world, engine, send, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

const BOX = { name: "a", resource: "box", pipeline: "boxes", spec: { n: 1 } };
const BOXES = { name: "boxes", resource: "box", steps: stepsOf("a b!") };

/** Starts drivers for the steps of `PIPELINE` that succeed. Returns what they are given, as it comes. */
async function jobsOf(world: World): Promise<Job[]> {
  const jobs: Job[] = [];
  const done = (job: Job) => (jobs.push(job), { success: true, message: "" });
  for (const driver of ["a", "b"]) world.use(await scriptedDriver(world.transport, driver, done));
  return jobs;
}

async function runOf(plane: Awaited<ReturnType<typeof openPlane>>, id: string) {
  const { body } = await plane.send("GET", `/runs/${id}`);
  return body as { status: string; operation: string; pipeline: string; reason?: string; message?: string };
}

test("a resource is created with its run, read, changed, listed and removed", async () => {
  await using plane = await openPlane();
  const { send } = plane;
  assert.equal((await send("POST", "/pipelines", BOXES)).status, 201);
  const made = await send("POST", "/resources", { id: "mine", ...BOX, metadata: { k: "v", version: "9" } });
  assert.equal(made.status, 201);
  assert.deepEqual({ ...made.body, runid: "" }, {
    message: "Resource created successfully",
    name: "a",
    runid: "",
    version: "1",
  });
  assert.equal(made.headers.get("x-run-id"), made.body.runid);
  assert.equal((await runOf(plane, made.body.runid)).operation, "create");

  const read = await send("GET", "/resources/box/a");
  const { id, ...rest } = read.body;
  assert.match(id, /^[0-9a-f-]{36}$/);
  assert.deepEqual(rest, {
    name: "a",
    pipeline: "boxes",
    resource: "box",
    metadata: { k: "v", version: "1" },
    spec: { n: 1 },
  });

  const changed = await send("PUT", "/resources/box/a", { id: "zzz", spec: { n: 2 } });
  assert.equal(changed.status, 200);
  assert.deepEqual([changed.body.id, changed.body.metadata, changed.body.spec], [
    id,
    { k: "v", version: "2" },
    { n: 2 },
  ]);
  assert.equal((await runOf(plane, changed.body.runid)).operation, "update");
  assert.deepEqual((await send("GET", "/resources/box/a/1")).body.spec, { n: 1 });
  assert.deepEqual((await send("GET", "/resources/box/a/2")).body.spec, { n: 2 });
  assert.equal((await send("GET", "/resources/box/a/3")).status, 404);

  assert.deepEqual((await send("GET", "/resources/box")).body.map((one: { id: string }) => one.id), [id]);
  assert.deepEqual((await send("GET", "/resources")).body.length, 1);
  assert.deepEqual((await send("GET", "/resources/other")).body, []);

  const removed = await send("DELETE", "/resources/box/a");
  assert.deepEqual([removed.status, removed.text], [204, ""]);
  assert.equal((await runOf(plane, removed.headers.get("x-run-id") ?? "")).operation, "delete");
  for (const path of ["/resources/box/a", "/resources/box/a/1", "/resources/box/a/2"]) {
    assert.equal((await send("GET", path)).status, 404, path);
  }
  assert.equal((await send("DELETE", "/resources/box/a")).status, 404);
  const again = await send("POST", "/resources", BOX);
  assert.equal(again.body.version, "1");
  assert.equal((await send("GET", "/resources/box/a/2")).status, 404);
});

test("results of a resource's newest run stand in its metadata, stay at a change, and are in no version", async () => {
  await using plane = await openPlane();
  const { send, world } = plane;
  await send("POST", "/pipelines", BOXES);
  const events: string[] = [];
  for (const driver of ["a", "b"]) {
    world.use(
      await scriptedDriver(world.transport, driver, (job) => {
        events.push(`${driver} ${job.event}`);
        return { success: true, message: `${driver} is done`, data: { from: driver } };
      }),
    );
  }
  // Scripted drivers take events of their own type only.
  assert.equal((await send("POST", "/resource-definitions", { name: "other", schema: {} })).status, 201);
  const pipeline = { ...BOXES, name: "things", resource: TYPE };
  assert.equal((await send("POST", "/pipelines", pipeline)).status, 201);
  const made = await send("POST", "/resources", { ...BOX, resource: TYPE, pipeline: "things" });
  assert.equal(made.status, 201, made.text);
  await until(async () => (await runOf(plane, made.body.runid)).status === "succeeded");
  const { metadata } = (await send("GET", `/resources/${TYPE}/a`)).body;
  assert.deepEqual(JSON.parse(metadata["driverresults.a"]), {
    success: true,
    message: "a is done",
    data: { from: "a" },
    driver: "a",
  });
  assert.deepEqual(Object.keys(metadata), ["driverresults.a", "driverresults.b", "version"]);
  assert.deepEqual((await send("GET", `/resources/${TYPE}/a/1`)).body.metadata, { version: "1" });
  const changed = await send("PUT", `/resources/${TYPE}/a`, { metadata: { x: "y" }, spec: {} });
  assert.deepEqual(Object.keys(changed.body.metadata).toSorted(), [
    "driverresults.a",
    "driverresults.b",
    "version",
    "x",
  ]);
  await until(async () => (await runOf(plane, changed.body.runid)).status === "succeeded");
  assert.deepEqual(events, ["a create", "b create", "a update", "b update"]);
});

test("a retry of a resource's newest run takes its place in the resource; one of an older version does not", async () => {
  await using plane = await openPlane();
  const { send, world } = plane;
  const counted = { runs: 0 };
  for (const driver of ["a", "b"]) {
    const work = () => ({ success: true, message: `run ${driver === "a" ? ++counted.runs : counted.runs}` });
    world.use(await scriptedDriver(world.transport, driver, work));
  }
  const ended = async (id: string) =>
    await until(async () => (await runOf(plane, id)).status === "succeeded");
  const messageOfA = async () =>
    JSON.parse((await send("GET", `/resources/${TYPE}/a`)).body.metadata["driverresults.a"]).message;
  const made = await send("POST", "/resources", { name: "a", resource: TYPE, spec: {} });
  await ended(made.body.runid);
  assert.equal(await messageOfA(), "run 1");
  const again = await send("POST", `/runs/${made.body.runid}/retry`);
  assert.equal(again.status, 201, again.text);
  await ended(again.body.run);
  assert.equal(await messageOfA(), "run 2");
  const changed = await send("PUT", `/resources/${TYPE}/a`, { spec: { x: 1 } });
  await ended(changed.body.runid);
  const old = await send("POST", `/runs/${made.body.runid}/retry`);
  await ended(old.body.run);
  assert.equal(await messageOfA(), "run 3");
});

test("a bad request names the field, and stores nothing", async () => {
  await using plane = await openPlane();
  const { send } = plane;
  await send("POST", "/pipelines", BOXES);
  const refused: [unknown, number, RegExp][] = [
    [{ ...BOX, name: undefined }, 400, /body\.name: /],
    [{ ...BOX, name: "" }, 400, /body\.name: expected a name/],
    [{ ...BOX, name: ".." }, 400, /body\.name: expected a name other than/],
    [{ ...BOX, name: "a\nb" }, 400, /body\.name: .*control characters/],
    [{ ...BOX, resource: "" }, 400, /body\.resource: /],
    [{ ...BOX, resource: "a b" }, 400, /body\.resource: expected letters, digits/],
    [{ ...BOX, resource: "a.b" }, 400, /body\.resource: /],
    [{ ...BOX, resource: "nope" }, 404, /body\.resource: unknown resource type "nope"/],
    [{ ...BOX, pipeline: "nope" }, 404, /body\.pipeline: unknown pipeline "nope"/],
    [{ ...BOX, pipeline: "line" }, 400, /body\.pipeline: "line" is for resources of the type/],
    [{ ...BOX, metadata: { a: 1 } }, 400, /body\.metadata\.a: expected string/],
    [{ ...BOX, spec: undefined }, 400, /body\.spec: must be object/],
    [
      { ...BOX, spec: { n: "x", e: "no" } },
      400,
      /body\.spec\.n: must be integer, got "x"\nbody\.spec\.e: must match/,
    ],
    ["null", 400, /expected a JSON object, got null/],
    ["[]", 400, /expected a JSON object, got an array/],
    ['{"name":', 400, /expected a JSON object, got a text that is not JSON/],
    ["", 400, /expected a JSON object/],
    [{ ...BOX, spec: { n: 1, big: "x".repeat(300_000) } }, 413, /spec: has .* bytes/],
    [{ ...BOX, spec: { n: "x", big: "x".repeat(300_000) } }, 413, /spec: has .* bytes/],
    [`{"name":"a","resource":"box","spec":{"n":1${"0".repeat(300_000)}}}`, 413, /spec: has .* bytes/],
    [{ ...BOX, spec: "x".repeat(1_100_000) }, 413, /too large/],
  ];
  for (const [body, status, message] of refused) {
    const answer = await send("POST", "/resources", body);
    assert.equal(answer.status, status, answer.text);
    assert.match(answer.body.error, message);
  }
  for (const type of ["", "text/plain", "application/x-www-form-urlencoded", "application/xml"]) {
    const answer = await send("POST", "/resources", JSON.stringify(BOX), {
      headers: { "content-type": type },
    });
    assert.equal(answer.status, 415, type);
  }
  assert.deepEqual((await send("GET", "/resources")).body, []);
  assert.deepEqual((await send("GET", "/runs")).body.runs, []);
  const typed = { headers: { "content-type": "application/vnd.api+JSON; charset=utf-8" } };
  assert.equal((await send("POST", "/resources", BOX, typed)).status, 201);
  assert.equal((await send("POST", "/resources", BOX)).status, 409);
  assert.match(
    (await send("PUT", "/resources/box/a", { ...BOX, name: "b" })).body.error,
    /body\.name: expected "a" as in the path/,
  );
  assert.match(
    (await send("PUT", "/resources/box/a", { ...BOX, resource: "c" })).body.error,
    /body\.resource: expected "box"/,
  );
  assert.equal((await send("PUT", "/resources/box/a", { spec: { n: "x" } })).status, 400);
  assert.equal((await send("PUT", "/resources/box/none", { spec: { n: 1 } })).status, 404);
  assert.equal((await send("GET", "/resources/box/a")).body.metadata.version, "1");
  assert.equal((await send("GET", "/runs")).body.runs.length, 1);
});

test("numbers and the order of keys are kept, in what is read and in what drivers get", async () => {
  await using plane = await openPlane();
  const { send, world } = plane;
  const jobs = await jobsOf(world);
  const spec = '{"z":12345678901234567890,"10":1.0,"2":{"b":1e21,"a":"é&<"},"dup":2}';
  const body =
    `{"name":"num","resource":"${TYPE}","spec":{"z":12345678901234567890, "10":1.0,"2":{"b":1e21,"a":"\\u00e9&<"},"dup":1,"dup":2}}`;
  const made = await send("POST", "/resources", body);
  assert.equal(made.status, 201, made.text);
  const { text } = await send("GET", `/resources/${TYPE}/num`);
  assert.ok(text.endsWith(`,"spec":${spec}}`), text);
  await until(async () => (await runOf(plane, made.body.runid)).status === "succeeded");
  assert.equal(jobs.length, 2);
  for (const { delivery } of jobs) {
    const { payload } = JSON.parse(new TextDecoder().decode(delivery.data));
    assert.ok(payload.endsWith(`,"spec":${spec}}`), payload);
    assert.equal(delivery.headers[HEADERS.claims], "1");
  }
  const retried = await send("POST", `/runs/${made.body.runid}/retry`, {});
  await until(async () => (await runOf(plane, retried.body.run)).status === "succeeded");
  assert.ok(new TextDecoder().decode(jobs.at(-1)?.delivery.data).includes("12345678901234567890"));
});

test("names may hold dots, slashes, blanks and any letters; they are found again as they were given", async () => {
  await using plane = await openPlane();
  const { send } = plane;
  const names = ["a.b", "s", "s/2", "a b", "é", "100%", "a%2Fb", "...", "👩‍🚀", "a?b#c"];
  for (const name of names) {
    const made = await send("POST", "/resources", { name, resource: "box", spec: { n: 1 } });
    assert.equal(made.status, 201, name);
    assert.equal(made.headers.get("location"), `/resources/box/${encodeURIComponent(name)}`);
  }
  for (const name of names) {
    const { body } = await send("GET", `/resources/box/${encodeURIComponent(name)}`);
    assert.equal(body.name, name);
  }
  assert.equal((await send("GET", "/resources/box/s/2")).status, 404);
  const seen: string[] = [];
  let path: string | undefined = "/resources/box?limit=4";
  while (path !== undefined) {
    const { body, headers } = await send("GET", path);
    seen.push(...body.map((one: { name: string }) => one.name));
    path = /^<([^>]+)>; rel="next"$/.exec(headers.get("link") ?? "")?.[1];
  }
  assert.deepEqual(seen.toSorted(), names.toSorted());
});

test("a list of large resources has pages that end early, and leaves none out", async () => {
  await using plane = await openPlane();
  const { send, world: { store } } = plane;
  const spec = { text: "x".repeat(200_000) };
  for (let i = 0; i < 50; i++) {
    const resource = { id: `${i}`, name: `r${i}`, resource: "box", metadata: { version: "1" }, spec };
    await store.resources.put(resourceKey("box", resource.name), { resource, run: RUN }, 0);
  }
  const sizes: number[] = [];
  for (let path: string | undefined = "/resources/box"; path !== undefined;) {
    const { body, text, headers } = await send("GET", path);
    assert.ok(text.length < 5 * 1024 * 1024);
    sizes.push(body.length);
    path = /^<([^>]+)>; rel="next"$/.exec(headers.get("link") ?? "")?.[1];
  }
  assert.deepEqual(sizes, [21, 21, 8]);
});

test("a resource without a pipeline gets that of its type: registered, of the definition, or of its drivers", async () => {
  await using plane = await openPlane();
  const { send } = plane;
  const pipelineOf = async (resource: string, name: string) => {
    const made = await send("POST", "/resources", { name, resource, spec: { n: 1 } });
    assert.equal(made.status, 201, made.text);
    return (await runOf(plane, made.body.runid)).pipeline;
  };
  assert.equal(await pipelineOf(TYPE, "a"), PIPELINE.name);
  await send("POST", "/pipelines", BOXES);
  assert.equal(
    (await send("PUT", "/resource-definitions/box", { schema: SCHEMA, pipeline: "boxes" })).status,
    200,
  );
  assert.equal(await pipelineOf("box", "a"), "boxes");
  const driven = { name: "driven", schema: {}, drivers: ["x", "y"] };
  assert.equal((await send("POST", "/resource-definitions", driven)).status, 201);
  const made = await send("POST", "/resources", { name: "d", resource: "driven", spec: {} });
  const run = (await send("GET", `/runs/${made.body.runid}`)).body;
  assert.deepEqual(run.steps.map((step: { driver: string }) => step.driver), ["x", "y"]);
  assert.equal((await send("DELETE", "/pipelines/boxes")).status, 204);
  const without = await send("POST", "/resources", { name: "b", resource: "box", spec: { n: 1 } });
  assert.equal(without.status, 400);
  assert.match(without.body.error, /"boxes", the default pipeline of the type "box", does not exist/);
});

test("a resource of a type without any pipeline goes to every driver of the type, and its run says so", async () => {
  await using plane = await openPlane();
  const { send, world } = plane;
  const nobody = await send("POST", "/resources", { name: "a", resource: "box", spec: { n: 1 } });
  assert.equal(nobody.status, 201);
  await until(async () => (await runOf(plane, nobody.body.runid)).status === "failed");
  const lost = await runOf(plane, nobody.body.runid);
  assert.deepEqual([lost.reason, lost.message], [
    "no-pipeline",
    'No driver handles "box", and the type has no default pipeline',
  ]);
  const spec = { stream: "messages", filters: ["resources.box"], ackWaitMs: 30_000 } as const;
  const seen: string[] = [];
  const leaving = new AbortController();
  const drivers = ["one", "two"].map(async (name) => {
    for await (const delivery of world.transport.consume({ ...spec, name }, { signal: leaving.signal })) {
      const { payload, ...message } = JSON.parse(new TextDecoder().decode(delivery.data));
      seen.push(`${name} ${message.event} ${message.run_id} ${JSON.parse(payload).metadata.version}`);
      await delivery.ack();
    }
  });
  for (const name of ["one", "two"]) await world.transport.ensureConsumer({ ...spec, name });
  const made = await send("POST", "/resources", { name: "b", resource: "box", spec: { n: 1 } });
  await until(async () => (await runOf(plane, made.body.runid)).status === "succeeded" && seen.length === 2);
  assert.deepEqual(seen.toSorted(), [`one create ${made.body.runid} 1`, `two create ${made.body.runid} 1`]);
  leaving.abort();
  await Promise.all(drivers);
});

test("versions are counted without a gap or a double, however many change a resource at once", async () => {
  await using plane = await openPlane();
  const { send } = plane;
  await send("POST", "/resources", { name: "a", resource: "box", spec: { n: 0 } });
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, n) => send("PUT", "/resources/box/a", { spec: { n } })),
  );
  const made = answers.filter(({ status }) => status === 200).map(({ body }) =>
    Number(body.metadata.version)
  );
  assert.deepEqual(made.toSorted((a, b) => a - b), Array.from({ length: 12 }, (_, i) => i + 2));
  const current = (await send("GET", "/resources/box/a")).body;
  assert.equal(current.metadata.version, "13");
  assert.deepEqual((await send("GET", "/resources/box/a/13")).body.spec, current.spec);
  const both = await Promise.all(
    [1, 2].map((n) => send("POST", "/resources", { name: "b", resource: "box", spec: { n } })),
  );
  assert.deepEqual(both.map(({ status }) => status).toSorted(), [201, 409]);
  assert.equal((await send("GET", "/runs?resource=b")).body.runs.length, 1);
});

test("an Idempotency-Key makes one resource of two requests, and is refused for another", async () => {
  await using plane = await openPlane();
  const { send } = plane;
  const headers = { "idempotency-key": "once" };
  const body = { name: "a", resource: "box", spec: { n: 1 } };
  const first = await send("POST", "/resources", body, { headers });
  const second = await send("POST", "/resources", body, { headers });
  assert.deepEqual([second.status, second.body], [201, first.body]);
  assert.equal(second.headers.get("idempotent-replayed"), "true");
  assert.equal((await send("POST", "/pipelines", BOXES)).status, 201);
  for (const other of [{ name: "b" }, { pipeline: "boxes" }, { metadata: { k: "v" } }, { spec: { n: 2 } }]) {
    const answer = await send("POST", "/resources", { ...body, ...other }, { headers });
    assert.equal(answer.status, 409, JSON.stringify(other));
  }
  // A type with a pipeline by default, and two at once.
  for (const name of ["c", "d"]) {
    const more = { headers: { "idempotency-key": name } };
    const given = { name, resource: TYPE, spec: {} };
    const both = await Promise.all([1, 2].map(() => send("POST", "/resources", given, more)));
    const third = await send("POST", "/resources", given, more);
    assert.deepEqual([...both, third].map(({ status }) => status), [201, 201, 201], third.text);
    assert.equal(new Set([...both, third].map(({ body }) => body.runid)).size, 1);
  }
  const metadata = { version: "9" };
  assert.equal((await send("POST", "/resources", { ...body, metadata }, { headers })).status, 201);
  assert.equal((await send("GET", "/resources/box")).body.length, 1);
});

test("a resource's secrets go to its run, and are neither stored with it nor shown", async () => {
  await using plane = await openPlane();
  const { send, world } = plane;
  const jobs = await jobsOf(world);
  const secrets = { TOKEN: "hunter2-hunter2" };
  const made = await send("POST", "/resources", { name: "a", resource: TYPE, spec: {}, secrets });
  await until(async () => (await runOf(plane, made.body.runid)).status === "succeeded");
  assert.deepEqual(jobs.map((job) => job.secrets), [secrets, secrets]);
  assert.ok(!(await send("GET", `/resources/${TYPE}/a`)).text.includes("hunter2"));
});
