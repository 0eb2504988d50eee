import assert from "node:assert/strict";
import { test } from "node:test";
import { type Ask, openApi, PIPELINE } from "./support/api.ts";
import { stepsOf, TYPE } from "./support/runs.ts";
import { openWorld } from "./support/world.ts";

const SCHEMA = { type: "object", required: ["n"], properties: { n: { type: "integer" } } };

async function openPlane() {
  const world = await openWorld();
  const { ask } = await openApi(world, {
    tokens: [{ name: "ci", role: "submit", token: "ci-token" }],
  });
  const send = async (method: string, path: string, body?: unknown, more: Ask = {}) => {
    const headers = { "content-type": "application/json", ...more.headers };
    const answer = await ask(method, path, { ...more, headers, ...body !== undefined && { body } });
    const text = await answer.text();
    return {
      status: answer.status,
      headers: answer.response.headers,
      text,
      body: text === "" ? undefined : JSON.parse(text),
    };
  };
  return { send, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

test("a resource type is defined, read, changed, applied, listed and removed, and keeps its id", async () => {
  await using plane = await openPlane();
  const { send } = plane;
  const made = await send("POST", "/resource-definitions", {
    id: "mine",
    name: "t1",
    version: "1",
    schema: SCHEMA,
  });
  assert.equal(made.status, 201);
  const { id } = made.body;
  assert.match(id, /^[0-9a-f-]{36}$/);
  assert.deepEqual(made.body, { id, name: "t1", description: "", version: "1", schema: SCHEMA });
  assert.deepEqual((await send("GET", "/resource-definitions/t1")).body, made.body);
  assert.equal((await send("POST", "/resource-definitions", { name: "t1", schema: {} })).status, 409);
  const changed = await send("PUT", "/resource-definitions/t1", {
    id: "",
    description: "changed",
    schema: true,
  });
  assert.deepEqual([changed.status, changed.body], [200, {
    id,
    name: "t1",
    description: "changed",
    version: "",
    schema: true,
  }]);
  const applied = await send("POST", "/resource-definitions/apply", {
    name: "t1",
    version: "3",
    schema: SCHEMA,
  });
  assert.deepEqual([applied.status, applied.body.id, applied.body.version], [201, id, "3"]);
  const fresh = await send("POST", "/resource-definitions/apply", { name: "t2", schema: {} });
  assert.equal((await send("GET", "/resource-definitions/t2")).body.id, fresh.body.id);
  const names = (await send("GET", "/resource-definitions")).body.map(({ name }: { name: string }) => name);
  assert.deepEqual(names, [TYPE, "t1", "t2"]);
  assert.equal((await send("DELETE", "/resource-definitions/t1")).status, 204);
  for (const [method, path] of [["GET", "t1"], ["DELETE", "t1"], ["PUT", "t1"], ["GET", "T2"]] as const) {
    const body = method === "PUT" ? { schema: {} } : undefined;
    assert.equal(
      (await send(method, `/resource-definitions/${path}`, body)).status,
      404,
      `${method} ${path}`,
    );
  }
});

test("a schema is checked when it is stored, comes back as it was sent, and a broken one is refused", async () => {
  await using plane = await openPlane();
  const { send } = plane;
  const refused: [unknown, RegExp][] = [
    [{ name: "t", schema: { type: "wat" } }, /^body\.schema: \/type must be equal to one of the allowed/],
    [{ name: "t", schema: { $ref: "file:///etc/passwd" } }, /^body\.schema: can't resolve reference/],
    [{ name: "t", schema: null }, /^body\.schema: expected a JSON Schema/],
    [{ name: "t" }, /^body\.schema: expected a JSON Schema/],
    [{ schema: {} }, /^body\.name: /],
    [{ name: "a b", schema: {} }, /^body\.name: expected letters, digits/],
    [{ name: "t", schema: {}, drivers: ["a.b"] }, /^body\.drivers\.0: expected letters, digits/],
  ];
  for (const [body, message] of refused) {
    for (const path of ["/resource-definitions", "/resource-definitions/apply"]) {
      const answer = await send("POST", path, body);
      assert.equal(answer.status, 400, answer.text);
      assert.match(answer.body.error, message);
    }
  }
  assert.equal((await send("GET", "/resource-definitions/t")).status, 404);
  const schema = '{"type":"object","properties":{"z":{"maximum":12345678901234567890},"10":{},"2":{}}}';
  await send("POST", "/resource-definitions", `{"name":"t","schema":${schema}}`);
  assert.ok((await send("GET", "/resource-definitions/t")).text.endsWith(`"schema":${schema}}`));
});

test("a pipeline is created, read, changed, listed and removed", async () => {
  await using plane = await openPlane();
  const { send } = plane;
  await send("POST", "/resource-definitions", { name: "t3", schema: {} });
  const body = { name: "p 1", resource: "t3", steps: stepsOf("a b!") };
  const made = await send("POST", "/pipelines/", body);
  assert.equal(made.status, 201);
  const view = {
    name: "p 1",
    description: "",
    version: "",
    resource: "t3",
    steps: body.steps,
    metadata: null,
  };
  assert.deepEqual(made.body, view);
  assert.equal((await send("POST", "/pipelines", body)).status, 409);
  assert.deepEqual((await send("GET", "/pipelines/p%201")).body, view);
  const changed = await send("PUT", "/pipelines/p%201", { ...body, version: "2", metadata: { a: "b" } });
  assert.deepEqual([changed.status, changed.body], [200, { ...view, version: "2", metadata: { a: "b" } }]);
  const names = (await send("GET", "/pipelines")).body.map(({ name }: { name: string }) => name);
  assert.deepEqual(names, [PIPELINE.name, "p 1"]);
  assert.equal((await send("DELETE", "/pipelines/p%201")).status, 204);
  for (const method of ["GET", "PUT", "DELETE"]) {
    const again = method === "PUT" ? body : undefined;
    assert.equal((await send(method, "/pipelines/p%201", again)).status, 404, method);
  }
  assert.equal((await send("DELETE", `/pipelines/${PIPELINE.name}`)).status, 409);
  const refused: [unknown, number, RegExp][] = [
    [{ ...body, resource: "zzz" }, 404, /body\.resource: unknown resource type "zzz"/],
    [{ ...body, resource: undefined }, 400, /body\.resource: /],
    [{ ...body, steps: [] }, 400, /body\.steps: expected at least one step/],
    [{ ...body, steps: [{ id: 1 }] }, 400, /body\.steps\.0\.id: /],
    [
      { ...body, steps: [{ id: "a", name: "a", driver: "a*" }] },
      400,
      /body\.steps\.0\.driver: expected letters/,
    ],
    [{ ...body, steps: stepsOf("a a") }, 400, /body\.steps\.1\.id: expected an id of its own/],
    [{ ...body, metadata: { a: 1 } }, 400, /body\.metadata\.a: /],
  ];
  for (const [one, status, message] of refused) {
    const answer = await send("POST", "/pipelines", one);
    assert.equal(answer.status, status, answer.text);
    assert.match(answer.body.error, message);
  }
});

test("types and pipelines are changed by administrators only, resources by whoever may submit", async () => {
  await using plane = await openPlane();
  const { send } = plane;
  const headers = { authorization: "Bearer ci-token" };
  await send("POST", "/resource-definitions", { name: "t", schema: {} });
  const pipeline = { name: "p", resource: "t", steps: stepsOf("a") };
  for (
    const [method, path, body] of [
      ["POST", "/resource-definitions", { name: "u", schema: {} }],
      ["POST", "/resource-definitions/apply", { name: "u", schema: {} }],
      ["PUT", "/resource-definitions/t", { schema: {} }],
      ["DELETE", "/resource-definitions/t", undefined],
      ["POST", "/pipelines", pipeline],
      ["PUT", "/pipelines/p", pipeline],
      ["DELETE", "/pipelines/p", undefined],
      ["POST", "/drivers/broadcast-message", {}],
    ] as const
  ) assert.equal((await send(method, path, body, { headers })).status, 403, `${method} ${path}`);
  assert.equal((await send("GET", "/resource-definitions/t", undefined, { headers })).status, 200);
  const resource = { name: "a", resource: "t", spec: {} };
  assert.equal((await send("POST", "/resources", resource, { headers })).status, 201);
  assert.equal((await send("PUT", "/resources/t/a", { spec: {} }, { headers })).status, 200);
  assert.equal((await send("DELETE", "/resources/t/a", undefined, { headers })).status, 204);
});

test("slashes at a path's end and the case of its first part do not matter, and another method is 405", async () => {
  await using plane = await openPlane();
  const { send } = plane;
  assert.equal((await send("POST", "/Resource-Definitions//", { name: "t", schema: {} })).status, 201);
  assert.equal((await send("GET", "/HEALTH/")).body.status, "healthy");
  assert.equal((await send("GET", "/resources/T/")).status, 200);
  const patched = await send("PATCH", "/resources/a/b", {});
  assert.deepEqual([patched.status, patched.headers.get("allow")], [405, "GET, HEAD, PUT, DELETE"]);
  assert.equal((await send("PUT", "/pipelines")).status, 405);
  assert.equal((await send("GET", "/nowhere")).status, 404);
  assert.equal((await send("HEAD", "/resource-definitions/t")).status, 200);
});
