import { z } from "zod";
import { jsonWith } from "../../../base/compact-json.ts";
import type { StoredDefinition } from "../../../wire/stored.ts";
import {
  applyDefinition,
  ChangedDefinition,
  changeDefinition,
  createDefinition,
  DefinitionBody,
  type DefinitionParts,
  removeDefinition,
  unknownDefinition,
} from "../definition-changes.ts";
import { jsonText, withJson } from "../json-body.ts";
import { checkSameName, nameIn } from "../named.ts";
import type { Router } from "../router.ts";
import { answerList, LIST_HEADERS, ListQuery } from "./listing.ts";

const View = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string(),
  version: z.string(),
  pipeline: z.string().optional(),
  drivers: z.array(z.string()).optional(),
  schema: z.unknown(),
});

const PATH = "/resource-definitions";
const FOUND = { 200: { what: "The definition", schema: View } };
const STORED = { 201: { what: "The definition", schema: View } };

/** Routes of resource types (protocol 2.2). */
export function definitionRoutes(router: Router, parts: DefinitionParts): void {
  readingRoutes(router, parts);
  changingRoutes(router, parts);
}

function readingRoutes(router: Router, { store, catalog }: DefinitionParts): void {
  router.add({
    method: "get",
    path: PATH,
    tag: "Conveyor",
    summary: "List resource types",
    query: ListQuery,
    answers: { 200: { what: LIST_HEADERS, schema: z.array(View) } },
  }, (_context, query) =>
    answerList(store.definitions, query, {
      path: PATH,
      registered: () => catalog.registeredDefinitions(),
      textOf,
    }));

  router.add({
    method: "get",
    path: `${PATH}/{name}`,
    tag: "Conveyor",
    summary: "Read a resource type",
    answers: FOUND,
  }, async (context) => {
    const found = await catalog.definition(nameIn(context));
    if (!found) throw unknownDefinition(nameIn(context));
    return jsonText(textOf(found));
  });
}

function changingRoutes(router: Router, parts: DefinitionParts): void {
  router.add(
    {
      method: "post",
      path: PATH,
      tag: "Conveyor",
      role: "admin",
      summary: "Define a resource type",
      body: DefinitionBody,
      answers: STORED,
    },
    (context) =>
      withJson(context, DefinitionBody, async (body) => stored(await createDefinition(parts, body))),
  );

  router.add(
    {
      method: "post",
      path: `${PATH}/apply`,
      tag: "Conveyor",
      role: "admin",
      summary: "Define a resource type, or change it",
      body: DefinitionBody,
      answers: STORED,
    },
    (context) =>
      withJson(context, DefinitionBody, async (body) => stored(await applyDefinition(parts, body))),
  );

  router.add({
    method: "put",
    path: `${PATH}/{name}`,
    tag: "Conveyor",
    role: "admin",
    summary: "Change a resource type",
    body: ChangedDefinition,
    answers: FOUND,
  }, (context) =>
    withJson(context, ChangedDefinition, async (body) => {
      const name = nameIn(context);
      checkSameName(body.value.name, name);
      return jsonText(textOf(await changeDefinition(parts, name, body)));
    }));

  router.add({
    method: "delete",
    path: `${PATH}/{name}`,
    tag: "Conveyor",
    role: "admin",
    summary: "Remove a resource type; its resources stay",
    answers: { 204: { what: "It is removed" } },
  }, async (context) => {
    await removeDefinition(parts, nameIn(context));
    return context.body(null, 204);
  });
}

function textOf(
  { id = "", name, description = "", version = "", schema, schemaText, pipeline, drivers }: StoredDefinition,
) {
  const facts = { id, name, description, version, ...pipeline && { pipeline }, ...drivers && { drivers } };
  return jsonWith(facts, "schema", schemaText ?? JSON.stringify(schema) ?? "null");
}

const stored = (definition: StoredDefinition): Response =>
  jsonText(textOf(definition), 201, { Location: `${PATH}/${definition.name}` });
