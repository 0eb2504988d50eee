import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { ConveyorEngine } from "./engine.ts";
import { goJson, objectOf, readLog, readResource, resourceStruct, struct, textOf } from "./go.ts";
import type { GoPipeline, ServerState } from "./state.ts";

export interface Answer {
  readonly status: number;
  readonly type: "application/json" | "text/plain; charset=utf-8";
  readonly body: string;
}

export interface ApiOptions {
  readonly state: ServerState;
  readonly engine: ConveyorEngine;
  readonly newer: boolean;
}

/**
 * The routes of protocol 2.2 that clients other than drivers use. A missing thing is a 500: no handler
 * answers 404.
 */
export async function answer(
  method: string,
  url: URL,
  body: { type: string; text: string },
  options: ApiOptions,
): Promise<Answer> {
  const [, first = "", ...rest] = url.pathname.replace(/\/+$/, "").split("/");
  const route = `${method} /${first.toLowerCase()}${rest.map(() => "/:").join("")}`;
  try {
    switch (route) {
      case "GET /health":
        return json(200, struct({ status: "healthy", time: Math.floor(Date.now() / 1000) }));
      case "POST /resource-definitions":
        return define(input(body), options);
      case "POST /resource-definitions/:":
        if (rest[0]?.toLowerCase() === "apply") return applyDefinition(input(body), options);
        break;
      case "GET /resource-definitions/:":
        return json(200, found(options.state.definitions.get(rest[0] ?? ""), "resource definition"));
      case "POST /pipelines":
        return createPipeline(input(body), options);
      case "POST /resources":
        return await createResource(input(body), options);
      case "GET /resources/:/:":
        return json(
          200,
          resourceStruct(found(options.state.resource(rest[0] ?? "", rest[1] ?? ""), "resource")),
        );
      case "PUT /resources/:/:":
        return await updateResource(rest, input(body), options);
      case "DELETE /resources/:/:":
        return await deleteResource(rest, options);
      case "POST /logs":
        options.state.addLog(readLog(input(body)));
        return { status: 201, type: "text/plain; charset=utf-8", body: "Created" };
      case "GET /logs": {
        const [pipeline, driver, runid] = ["pipeline", "driver", "runid"].map((key) =>
          url.searchParams.get(key)
        );
        return json(
          200,
          options.state.logs({ pipeline: pipeline ?? "", driver: driver ?? "", runid: runid ?? "" }),
        );
      }
    }
  } catch (error) {
    if (error instanceof Refused) return json(error.status, { error: error.message });
    return json(400, { error: "Invalid request payload" });
  }
  return { status: 404, type: "text/plain; charset=utf-8", body: `Cannot ${method} ${url.pathname}` };
}

class Refused extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

function json(status: number, value: unknown): Answer {
  return { status, type: "application/json", body: goJson(value) };
}

function found<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Refused(500, `Failed to find ${what}: ${what} not found`);
  return value;
}

function input({ type, text }: { type: string; text: string }): Record<string, unknown> {
  if (!/json$/i.test(type.split(";")[0] ?? "")) throw new TypeError("unprocessable");
  return objectOf(JSON.parse(text) ?? {}, "body");
}

function definitionOf(given: Record<string, unknown>): Record<string, unknown> & { name: string } {
  return struct({
    id: textOf(given.id, "id"),
    name: textOf(given.name, "name"),
    description: textOf(given.description, "description"),
    version: textOf(given.version, "version"),
    schema: given.schema ?? null,
  });
}

function define(given: Record<string, unknown>, { state }: ApiOptions): Answer {
  const definition = { ...definitionOf(given), id: randomUUID() as string };
  if (state.definitions.has(definition.name)) {
    throw new Refused(
      500,
      `Failed to insert resource definition: resource definition with name ${definition.name} already exists`,
    );
  }
  state.definitions.set(definition.name, definition);
  return json(201, struct(definition));
}

/** Answers 201 to create and to update. The id in the answer is not the stored one. */
function applyDefinition(given: Record<string, unknown>, { state }: ApiOptions): Answer {
  const definition = definitionOf(given);
  if (definition.name === "") throw new Refused(400, "Resource name is required");
  const isNew = !state.definitions.has(definition.name);
  state.definitions.set(definition.name, definition);
  return json(201, isNew ? struct({ ...definition, id: randomUUID() }) : definition);
}

function createPipeline(given: Record<string, unknown>, { state }: ApiOptions): Answer {
  const resource = textOf(given.resource, "resource");
  found(state.definitions.get(resource), "resource definition");
  const steps = (given.steps as Record<string, unknown>[] ?? []).map((step) =>
    struct({
      id: textOf(step.id, "id"),
      name: textOf(step.name, "name"),
      driver: textOf(step.driver, "driver"),
    })
  );
  const pipeline: GoPipeline = { name: textOf(given.name, "name"), resource, steps };
  state.pipelines.set(pipeline.name, pipeline);
  return json(201, struct({ ...pipeline, metadata: given.metadata ?? null }));
}

async function createResource(given: Record<string, unknown>, options: ApiOptions): Promise<Answer> {
  const { state, engine, newer } = options;
  const resource = readResource({ ...given, id: randomUUID(), metadata: { version: "1" } }, {
    texts: !newer,
  });
  if (resource.resource === "") throw new Refused(400, "Resource type is required");
  validate(resource.resource, resource.spec, state);
  if (resource.pipeline !== "") found(state.pipelines.get(resource.pipeline), "pipeline");
  if (state.resource(resource.resource, resource.name)) {
    throw new Refused(
      500,
      `Failed to insert resource: resource with name ${resource.name} and type ${resource.resource} already exists`,
    );
  }
  state.setResource(resource);
  const runid = await engine.start(resource, "create");
  const message = "Resource created successfully";
  return json(201, struct({ message, name: resource.name, runid, version: "1" }));
}

async function updateResource(
  [type = "", name = ""]: string[],
  given: Record<string, unknown>,
  { state, engine, newer }: ApiOptions,
): Promise<Answer> {
  const stored = found(state.resource(type, name), "resource");
  const version = String(Number(stored.metadata?.version) + 1);
  const sent = readResource(given, { texts: !newer });
  validate(type, sent.spec, state);
  const metadata = { ...(newer ? stored : sent).metadata, version };
  const updated = { ...sent, id: stored.id, metadata };
  state.setResource(updated);
  if (!newer) return json(200, resourceStruct(updated));
  const runid = await engine.start(updated, "update");
  return json(200, struct({ ...resourceStruct(updated), runid }));
}

/** Up to 0.6.6 no driver is told. */
async function deleteResource([type = "", name = ""]: string[], options: ApiOptions): Promise<Answer> {
  const { state, engine, newer } = options;
  const stored = state.resource(type, name);
  if (newer && stored) await engine.start(stored, "delete");
  if (!newer || stored?.pipeline === "") state.deleteResource(type, name);
  return { status: 204, type: "text/plain; charset=utf-8", body: "" };
}

/** Checks only what the definition's schema says about `spec`, and only now. */
function validate(type: string, spec: unknown, state: ServerState): void {
  const { schema } = found(state.definitions.get(type), "resource definition");
  if (schema === null) throw new Refused(400, "Resource definition schema is required");
  const checked = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]).safeParse(spec);
  if (checked.success) return;
  throw new Refused(400, `Resource validation failed: validation failed: ${checked.error.message}`);
}
