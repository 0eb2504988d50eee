import assert from "node:assert/strict";
import { compileSchema, type SchemaCheck } from "../../../lib/engine/shell/json-schema.ts";
import { TOKEN } from "./api.ts";

interface Described {
  readonly paths: Record<
    string,
    Record<string, { responses: Record<string, { content?: Record<string, { schema: object }> }> }>
  >;
  readonly components: object;
}

/**
 * Returns a check that /openapi.json describes an answer of its route: the status, the type, and the JSON. Of
 * streams it checks only the type.
 */
export function documented(fetch: (request: Request) => Promise<Response>) {
  const checks = new Map<string, SchemaCheck>();
  const state: { described?: Promise<Described> } = {};
  const read = async () => {
    const headers = { host: "127.0.0.1:8080", authorization: `Bearer ${TOKEN}` };
    const answer = await fetch(new Request("http://127.0.0.1:8080/openapi.json", { headers }));
    return await answer.json() as Described;
  };
  return async (method: string, path: string, response: Response): Promise<void> => {
    const { paths, components } = await (state.described ??= read());
    const { pathname } = new URL(path, "http://localhost");
    const route = Object.keys(paths).filter((known) => patternOf(known).test(pathname))
      // Choose the route with fewer parameters.
      .toSorted((a, b) => a.split("{").length - b.split("{").length)[0];
    const operation = route === undefined ? undefined : paths[route]?.[method.toLowerCase()];
    if (!operation) return;
    const what = `${method} ${route} answers ${response.status}`;
    const answer = operation.responses[String(response.status)];
    assert.ok(answer, `${what}, which /openapi.json does not describe`);
    const [type = ""] = (response.headers.get("content-type") ?? "").split(";");
    const types = Object.keys(answer.content ?? {});
    if (response.body === null || types.length === 0) return;
    assert.ok(types.includes(type), `${what} as "${type}": /openapi.json says ${types.join(", ")}`);
    const schema = answer.content?.[type]?.schema;
    if (type !== "application/json" || !schema || response.headers.has("x-accel-buffering")) return;
    const key = `${method} ${route} ${response.status}`;
    const check = checks.get(key) ?? compileSchema({ ...schema, components });
    checks.set(key, check);
    assert.deepEqual(check(await response.clone().json(), "answer"), [], what);
  };
}

/** `{name}` of an artifact may span several segments. */
const patternOf = (path: string): RegExp =>
  new RegExp(
    `^${
      path.replaceAll(".", "\\.").replace("artifacts/{name}", "artifacts/.+").replace(/\{\w+\}/g, "[^/]+")
    }$`,
    "i",
  );
