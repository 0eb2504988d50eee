import { z } from "zod";
import { ErrorBody, type ProblemStatus } from "./problem.ts";
import { type Answer, roleOf, type Route, type Router } from "./router.ts";

/** Serves the description of all routes, this one included. */
export function openApiRoute(router: Router, version: string): void {
  router.add({
    method: "get",
    path: "/openapi.json",
    tag: "Operation",
    summary: "Describe the API",
    answers: { 200: { what: "OpenAPI 3.1", schema: z.looseObject({ openapi: z.string() }) } },
  }, ({ json }) => json(openApi(router.routes, { version })));
}

/** Returns the OpenAPI 3.1 description of the routes, built from the schemas that check requests. */
function openApi(routes: readonly Route[], { version }: { version: string }): Record<string, unknown> {
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

/** What each status of an error means for a route. */
const ERRORS: Partial<Record<ProblemStatus, string>> = {
  400: "The request is not valid",
  401: "There is no token, or a wrong one",
  403: "The token does not allow it",
  404: "There is no such thing",
  409: "It exists already, has ended, or was changed meanwhile",
  413: "The body or a part of it is too large",
  415: "The body is not JSON",
  416: "The artifact has no such range",
  421: "The host is not ours",
  429: "There are too many open runs",
  503: "It cannot be done just now",
};

/** Returns the statuses with which a route refuses a request. */
function errorsOf(route: Route): ProblemStatus[] {
  const isOpen = roleOf(route) === "open";
  const isChange = route.method !== "get";
  return [
    400,
    ...isOpen ? [] : [401, 403] as const,
    ...route.path.includes("{") || isChange ? [404] as const : [],
    ...isChange ? [409, 413, 415, 429] as const : [],
    ...route.path.includes("/artifacts/") ? [416] as const : [],
    421,
    503,
  ];
}

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
      ...Object.fromEntries(errorsOf(route).map((status) => [status, refusal(status)])),
      ...Object.fromEntries(Object.entries(answers).map(([status, answer]) => [status, response(answer)])),
    },
  };
}

const refusal = (status: ProblemStatus) => ({
  description: ERRORS[status],
  content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
});

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
