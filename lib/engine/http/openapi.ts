import { z } from "zod";
import { ErrorBody } from "./problem.ts";
import { type Answer, roleOf, type Route } from "./router.ts";

/** Returns the OpenAPI 3.1 description of the routes, built from the schemas that check requests. */
export function openApi(routes: readonly Route[], { version }: { version: string }): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) (paths[route.path] ??= {})[route.method] = operation(route);
  return {
    openapi: "3.1.0",
    info: {
      title: "Conveyor drivers: control plane",
      version,
      description: "Runs, their logs and artifacts, and the resources of Conveyor CI.",
    },
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      schemas: { Error: jsonSchema(ErrorBody, "output") },
    },
  };
}

const ERROR: Answer = { what: "An error; see its code" };

function operation(route: Route): Record<string, unknown> {
  const { summary, tag, path, query, body, headers = {}, answers } = route;
  const inPath = Array.from(path.matchAll(/\{(\w+)\}/g), ([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const inQuery = Object.entries(query?.shape ?? {}).map(([name, schema]) => ({
    name,
    in: "query",
    ...parameter(schema as z.ZodType),
  }));
  const inHeaders = Object.entries(headers).map(([name, description]) => ({
    name,
    in: "header",
    description,
    schema: { type: "string" },
  }));
  const parameters = [...inPath, ...inQuery, ...inHeaders];
  const role = roleOf(route);
  return {
    summary,
    tags: [tag],
    ...role === "open" ? { security: [] } : { description: `Needs a token of the role \`${role}\`.` },
    ...parameters.length > 0 && { parameters },
    ...body && { requestBody: { content: { "application/json": { schema: jsonSchema(body, "input") } } } },
    responses: {
      ...Object.fromEntries(Object.entries(answers).map(([status, answer]) => [status, response(answer)])),
      default: {
        description: ERROR.what,
        content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
      },
    },
  };
}

function response({ what, schema, type }: Answer): Record<string, unknown> {
  const content = schema
    ? { "application/json": { schema: jsonSchema(schema, "output") } }
    : type === undefined
    ? undefined
    : Object.fromEntries(type.split(", ").map((one) => [one, { schema: { type: "string" } }]));
  return { description: what, ...content && { content } };
}

/** Describes a parameter by its parsed value, or by its text if the parsed value has no JSON schema. */
function parameter(schema: z.ZodType): Record<string, unknown> {
  const read = jsonSchema(schema, "output");
  const { description, ...rest } = "type" in read || "enum" in read ? read : jsonSchema(schema, "input");
  return { ...description !== undefined && { description }, required: false, schema: rest };
}

function jsonSchema(schema: z.ZodType, io: "input" | "output"): Record<string, unknown> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any", reused: "inline" });
  delete rest.id;
  return rest;
}
