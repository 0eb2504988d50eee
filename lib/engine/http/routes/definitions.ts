import { randomUUID } from "node:crypto";
import type { Context } from "hono";
import { z } from "zod";
import { jsonWith } from "../../../base/compact-json.ts";
import { InputError, messageOf } from "../../../base/errors.ts";
import { ConflictError, type Store } from "../../../backend/store.ts";
import { token } from "../../../wire/resource.ts";
import type { StoredDefinition } from "../../../wire/stored.ts";
import { pathName as pipelineName } from "../../core/validate.ts";
import type { Catalog } from "../../shell/catalog.ts";
import { type JsonBody, jsonText, withJson } from "../json-body.ts";
import { Problem } from "../problem.ts";
import type { Router } from "../router.ts";
import { LIST_HEADERS, listPage, ListQuery } from "./listing.ts";

const text = z.string().max(10_000).nullish().transform((value) => value ?? "");

const DefinitionBody = z.object({
  name: token,
  description: text,
  version: text,
  schema: z.unknown().optional().describe(
    "JSON Schema of the spec; the draft is that of its $schema, default 2020-12",
  ),
  pipeline: pipelineName.nullish().describe("The pipeline of resources that name none"),
  drivers: z.array(token).min(1).nullish().describe(
    "Without it: the drivers that handle such resources, in order",
  ),
});

const Changed = DefinitionBody.extend({ name: token.optional() });

const Definition = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string(),
  version: z.string(),
  pipeline: z.string().optional(),
  drivers: z.array(z.string()).optional(),
  schema: z.unknown(),
});

const FOUND = { 200: { what: "The definition", schema: Definition } };
const STORED = { 201: { what: "The definition", schema: Definition } };
/** How often a change is repeated that another one came before. */
const TRIES = 20;

/** Routes of resource types (protocol 2.2). */
export function definitionRoutes(
  router: Router,
  { store, catalog }: { store: Pick<Store, "definitions">; catalog: Catalog },
): void {
  const { definitions } = store;
  const PATH = "/resource-definitions";

  router.add({
    method: "get",
    path: PATH,
    tag: "Conveyor",
    summary: "List resource types",
    query: ListQuery,
    answers: { 200: { what: LIST_HEADERS, schema: z.array(Definition) } },
  }, async (_context, query) => {
    const { texts, headers } = await listPage(definitions, { ...query, path: PATH, textOf });
    const registered = query.after === undefined ? await catalog.registeredDefinitions() : [];
    return jsonText(`[${[...registered.map(textOf), ...texts].join()}]`, 200, headers);
  });

  router.add({
    method: "post",
    path: PATH,
    tag: "Conveyor",
    role: "admin",
    summary: "Define a resource type",
    body: DefinitionBody,
    answers: STORED,
  }, (context) =>
    withJson(context, DefinitionBody, async (body) => {
      const { name } = body.value;
      const definition = await checked(body, { name, id: randomUUID() });
      if (await catalog.definition(name)) throw exists(name);
      await definitions.put(name, definition, 0).catch((error) => {
        throw error instanceof ConflictError ? exists(name) : error;
      });
      return created(definition);
    }));

  router.add({
    method: "post",
    path: `${PATH}/apply`,
    tag: "Conveyor",
    role: "admin",
    summary: "Define a resource type, or change it",
    body: DefinitionBody,
    answers: STORED,
  }, (context) =>
    withJson(context, DefinitionBody, async (body) => {
      const { name } = body.value;
      return created(await change(name, body, () => ({ id: randomUUID() })));
    }));

  router.add({
    method: "get",
    path: `${PATH}/{name}`,
    tag: "Conveyor",
    summary: "Read a resource type",
    answers: FOUND,
  }, async ({ req }) => {
    const name = req.param("name") ?? "";
    const found = await catalog.definition(name);
    if (!found) throw unknown(name);
    return jsonText(textOf(found));
  });

  router.add({
    method: "put",
    path: `${PATH}/{name}`,
    tag: "Conveyor",
    role: "admin",
    summary: "Change a resource type",
    body: Changed,
    answers: FOUND,
  }, (context) =>
    withJson(context, Changed, async (body) => {
      const name = nameIn(context);
      const given = body.value.name;
      if (given !== undefined && given !== name) {
        throw new InputError(`body.name: expected "${name}" as in the path, got "${given}"`);
      }
      const registered = await catalog.definition(name);
      const none = () => {
        if (!registered) throw unknown(name);
        return { id: randomUUID() };
      };
      return jsonText(textOf(await change(name, body, none)));
    }));

  router.add({
    method: "delete",
    path: `${PATH}/{name}`,
    tag: "Conveyor",
    role: "admin",
    summary: "Remove a resource type; its resources stay",
    answers: { 204: { what: "It is removed" } },
  }, async (context) => {
    const name = nameIn(context);
    for (;;) {
      const found = await definitions.get(name);
      if (!found) throw unknown(name);
      try {
        await definitions.delete(name, found.revision);
        return context.body(null, 204);
      } catch (error) {
        if (!(error instanceof ConflictError)) throw error;
      }
    }
  });

  /** Replaces a definition and keeps its id; `none` gives the facts of one that is not stored. */
  async function change(
    name: string,
    body: JsonBody<z.infer<typeof Changed>>,
    none: () => { id: string },
  ): Promise<StoredDefinition> {
    for (let n = 1;; n++) {
      const found = await definitions.get(name);
      const { id } = found?.value ?? none();
      const definition = await checked(body, { name, id: id || randomUUID() });
      try {
        await definitions.put(name, definition, found?.revision ?? 0);
        return definition;
      } catch (error) {
        if (!(error instanceof ConflictError) || n === TRIES) throw error;
      }
    }
  }
}

const nameIn = ({ req }: Context): string => req.param("name") ?? "";
const unknown = (name: string) => new Problem(404, `Unknown resource type "${name.slice(0, 100)}"`);
const exists = (name: string) => new Problem(409, `The resource type "${name}" exists already`);

/** Returns the definition to store. Throws InputError if its schema cannot be used. */
async function checked(
  { value, textOf }: JsonBody<z.infer<typeof Changed>>,
  { name, id }: { name: string; id: string },
): Promise<StoredDefinition> {
  const { description, version, schema, pipeline, drivers } = value;
  const { compileSchema } = await import("../../shell/json-schema.ts");
  try {
    compileSchema(schema);
  } catch (error) {
    throw error instanceof InputError ? new InputError(`body.schema: ${messageOf(error)}`) : error;
  }
  const schemaText = textOf("schema");
  return {
    id,
    name,
    description,
    version,
    ...pipeline && { pipeline },
    ...drivers && { drivers },
    schema,
    ...schemaText !== undefined && { schemaText },
  };
}

function textOf(
  { id = "", name, description = "", version = "", schema, schemaText, pipeline, drivers }: StoredDefinition,
) {
  const facts = { id, name, description, version, ...pipeline && { pipeline }, ...drivers && { drivers } };
  return jsonWith(facts, "schema", schemaText ?? JSON.stringify(schema) ?? "null");
}

const created = (definition: StoredDefinition): Response =>
  jsonText(textOf(definition), 201, { Location: `/resource-definitions/${definition.name}` });
