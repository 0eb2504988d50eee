import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { buildSpecSchema } from "../../lib/build/spec-schema.ts";
import { parseBuildSpec } from "../../lib/build/spec.ts";

/** Of draft 2020-12, what a build's spec needs. */
const KEYWORDS = new Set([
  "description",
  "$schema",
  "type",
  "properties",
  "required",
  "additionalProperties",
  "items",
  "minItems",
  "maxItems",
  "minLength",
  "pattern",
  "enum",
  "anyOf",
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "default",
]);

/** Every schema within a schema, itself included. */
function* within(schema: Record<string, unknown>): Generator<Record<string, unknown>> {
  yield schema;
  const { properties = {}, items, anyOf = [] } = schema as {
    properties?: Record<string, Record<string, unknown>>;
    items?: Record<string, unknown>;
    anyOf?: Record<string, unknown>[];
  };
  for (const inner of [...Object.values(properties), ...anyOf, ...items ? [items] : []]) yield* within(inner);
}

test("buildSpecSchema is of draft 2020-12 and uses no keyword that a server may not know", () => {
  const schema = buildSpecSchema();
  assert.equal(schema.$schema, "https://json-schema.org/draft/2020-12/schema");
  assert.equal(schema.type, "object");
  assert.deepEqual(schema.required, ["repository"]);
  for (const inner of within(schema)) {
    for (const keyword of Object.keys(inner)) assert.ok(KEYWORDS.has(keyword), keyword);
    // The draft-4 form of it is a boolean, which a newer server cannot compile.
    if ("exclusiveMinimum" in inner) assert.equal(typeof inner.exclusiveMinimum, "number");
  }
});

test("buildSpecSchema has patterns without look-around and back references, which Go cannot compile", () => {
  const patterns = [...within(buildSpecSchema())].flatMap(({ pattern }) =>
    pattern === undefined ? [] : [pattern]
  );
  assert.ok(patterns.length > 0);
  for (const pattern of patterns) assert.doesNotMatch(String(pattern), /\(\?[=!<]|\\[1-9]|\\k/);
});

test("buildSpecSchema accepts the tutorial's spec and everything that a build may say, and refuses the rest", () => {
  const schema = z.fromJSONSchema(buildSpecSchema() as Parameters<typeof z.fromJSONSchema>[0]);
  const repository = "https://github.com/example/app.git";
  const accepted = [
    { repository, env: [{ name: "A", value: "1" }] },
    {
      repository,
      image: "debian:12",
      commands: ["make", ["make", "test"]],
      timeout: "30m",
      limits: { cpus: 1.5, memory: "4g", pids: 100 },
      env: [{ name: "A", valueFrom: "B" }],
      artifacts: [],
      restart: 1,
    },
    { repository, timeout: 600, limits: { memory: 1024 } },
  ];
  const refused = [
    null,
    {},
    { repository: 1 },
    { repository, comands: ["make"] },
    { repository, env: [{ name: "1A", value: "" }] },
    { repository, env: [{ name: "A", value: "1", valueFrom: "B" }] },
    { repository, commands: [] },
    { repository, limits: { cpus: 0 } },
    { repository, cache: ["reserved"] },
  ];
  for (const spec of accepted) assert.equal(schema.safeParse(spec).success, true, JSON.stringify(spec));
  for (const spec of refused) assert.equal(schema.safeParse(spec).success, false, JSON.stringify(spec));
});

test("parseBuildSpec passes over what other drivers of the pipeline are told, and refuses it anywhere else", () => {
  const spec = {
    repository: "https://git.example.org/app.git",
    drivers: { "unit-report": { path: "junit.xml" } },
  };
  assert.equal(parseBuildSpec(spec).success, true);
  assert.equal(parseBuildSpec({ ...spec, "unit-report": {} }).success, false);
  assert.equal(parseBuildSpec({ ...spec, drivers: ["unit-report"] }).success, false);
});
