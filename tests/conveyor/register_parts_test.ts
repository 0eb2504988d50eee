import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";
import { builder } from "../../drivers/builder.ts";
import { registerResources } from "../../lib/driver/conveyor/register-resources.ts";
import { defineDriver, type Driver, z } from "../../lib/runtime.ts";
import { until } from "../support/until.ts";
import { patience } from "../support/within.ts";

interface Definition {
  readonly name: string;
  readonly description: string;
  readonly schema: {
    readonly required?: readonly string[];
    readonly properties: {
      readonly drivers: { readonly properties?: Record<string, { required?: string[] }> };
    };
  };
}

/** A server that keeps definitions. */
async function server() {
  const kept = new Map<string, Definition>();
  let applied = 0;
  const http = createServer(async (request, response) => {
    if (request.method === "GET") {
      const found = kept.get(request.url?.split("/").at(-1) ?? "");
      return void response.writeHead(found ? 200 : 404).end(JSON.stringify(found ?? {}));
    }
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) body += chunk;
    const definition: Definition = JSON.parse(body);
    kept.set(definition.name, definition);
    applied++;
    response.writeHead(201).end("{}");
  }).listen(0, "127.0.0.1");
  await once(http, "listening");
  const address = http.address();
  const api = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  return {
    kept,
    applied: () => applied,
    register: (driver: Driver) =>
      registerResources(driver, { api, credentials: {}, signal: patience(), retryMs: 1 }),
    async [Symbol.asyncDispose]() {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

const partOf = (name: string): Driver =>
  defineDriver({
    name,
    resources: ["flutter-builder"],
    spec: z.object({ path: z.string() }),
    reconcile: () => ({ success: true, message: "" }),
  });

test("drivers put the schemas of their parts into a type that others define, and nobody takes them out again", async () => {
  await using conveyor = await server();
  // The first is there before the type is.
  const waiting = conveyor.register(partOf("first"));
  await conveyor.register(builder);
  await waiting;
  await conveyor.register(partOf("second"));
  const parts = () => conveyor.kept.get("flutter-builder")?.schema.properties.drivers.properties ?? {};
  await until(() => Object.keys(parts()).length === 2);
  assert.deepEqual(Object.entries(parts()).map(([name, { required }]) => [name, required]), [
    ["first", ["path"]],
    ["second", ["path"]],
  ]);
  const { description, schema } = conveyor.kept.get("flutter-builder") ?? assert.fail();
  assert.deepEqual([description, schema.required], ["Made by the driver builder", ["repository"]]);

  // What is known already is not applied again, whoever comes.
  const applied = conveyor.applied();
  for (const driver of [builder, partOf("first"), partOf("second")]) await conveyor.register(driver);
  assert.equal(conveyor.applied(), applied);
});
