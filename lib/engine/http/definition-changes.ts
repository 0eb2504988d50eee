import { randomUUID } from "node:crypto";
import { z } from "zod";
import { InputError, messageOf } from "../../base/errors.ts";
import { ConflictError, type Store } from "../../backend/store.ts";
import { token } from "../../wire/resource.ts";
import type { StoredDefinition } from "../../wire/stored.ts";
import { pathName as pipelineName } from "../core/validate.ts";
import type { Catalog } from "../shell/catalog.ts";
import type { JsonBody } from "./json-body.ts";
import { optionalText, putNew } from "./named.ts";
import { Problem } from "./problem.ts";

/** The body of `POST /resource-definitions`. */
export const DefinitionBody = z.object({
  name: token,
  description: optionalText,
  version: optionalText,
  schema: z.unknown().optional().describe(
    "JSON Schema of the spec; the draft is that of its $schema, default 2020-12",
  ),
  pipeline: pipelineName.nullish().describe("The pipeline of resources that name none"),
  drivers: z.array(token).min(1).nullish().describe(
    "Without it: the drivers that handle such resources, in order",
  ),
});
export type DefinitionBody = z.infer<typeof DefinitionBody>;

/** The body of `PUT /resource-definitions/<name>`. */
export const ChangedDefinition = DefinitionBody.extend({ name: token.optional() });
export type ChangedDefinition = z.infer<typeof ChangedDefinition>;

export interface DefinitionParts {
  readonly store: Pick<Store, "definitions">;
  readonly catalog: Catalog;
}

/** Most tries of a change that conflicts with others. */
const TRIES = 20;

/** Stores a new definition. Throws Problem 409 if there is one with its name. */
export async function createDefinition(
  { store, catalog }: DefinitionParts,
  body: JsonBody<DefinitionBody>,
): Promise<StoredDefinition> {
  const { name } = body.value;
  const exists = () => new Problem(409, `The resource type "${name}" exists already`);
  const definition = await definitionOf(body, { name, id: randomUUID() });
  if (await catalog.definition(name)) throw exists();
  await putNew(store.definitions, name, definition, exists);
  return definition;
}

/** Stores a definition in place of the one with its name, if there is one. */
export function applyDefinition(
  parts: DefinitionParts,
  body: JsonBody<DefinitionBody>,
): Promise<StoredDefinition> {
  return replace(parts, body.value.name, body, { mayCreate: true });
}

/** Replaces a definition that is stored or part of the program. Throws Problem 404 if there is none. */
export async function changeDefinition(
  parts: DefinitionParts,
  name: string,
  body: JsonBody<ChangedDefinition>,
): Promise<StoredDefinition> {
  const mayCreate = await parts.catalog.definition(name) !== undefined;
  return await replace(parts, name, body, { mayCreate });
}

/** Removes a stored definition. Throws Problem 404 if there is none. */
export async function removeDefinition({ store }: DefinitionParts, name: string): Promise<void> {
  for (;;) {
    const found = await store.definitions.get(name);
    if (!found) throw unknownDefinition(name);
    try {
      return await store.definitions.delete(name, found.revision);
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
    }
  }
}

export const unknownDefinition = (name: string): Problem =>
  new Problem(404, `Unknown resource type "${name.slice(0, 100)}"`);

/** Keeps the id of a stored definition. Otherwise creates one if `mayCreate`, else throws Problem 404. */
async function replace(
  { store: { definitions } }: DefinitionParts,
  name: string,
  body: JsonBody<ChangedDefinition>,
  { mayCreate }: { mayCreate: boolean },
): Promise<StoredDefinition> {
  for (let n = 1;; n++) {
    const found = await definitions.get(name);
    if (!found && !mayCreate) throw unknownDefinition(name);
    const definition = await definitionOf(body, { name, id: found?.value.id || randomUUID() });
    try {
      await definitions.put(name, definition, found?.revision ?? 0);
      return definition;
    } catch (error) {
      if (!(error instanceof ConflictError) || n === TRIES) throw error;
    }
  }
}

/** Returns the definition to store. Throws InputError if its schema cannot be used. */
async function definitionOf(
  { value, textOf }: JsonBody<ChangedDefinition>,
  { name, id }: { name: string; id: string },
): Promise<StoredDefinition> {
  const { description, version, schema, pipeline, drivers } = value;
  const { compileSchema } = await import("../shell/json-schema.ts");
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
