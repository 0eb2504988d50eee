import type { Context, Hono } from "hono";
import type { z } from "zod";
import { InputError } from "../../base/errors.ts";
import { describeIssues } from "../../wire/issues.ts";
import { Problem } from "./problem.ts";

/** What a token allows. Each role includes those before it. */
export const ROLES = ["read", "submit", "admin"] as const;
export type Role = (typeof ROLES)[number];

/** One kind of response in the OpenAPI description. */
export interface Answer {
  readonly what: string;
  /** Schema of a JSON body. */
  readonly schema?: z.ZodType;
  /** Media type of any other body. */
  readonly type?: string;
}

/** A route and its description in `/openapi.json`. */
export interface Route<Query extends z.ZodObject = z.ZodObject> {
  readonly method: "get" | "post" | "put" | "delete";
  /** In OpenAPI notation: `/runs/{id}`. `rest` names the parameter that may span several segments. */
  readonly path: string;
  readonly rest?: string;
  readonly summary: string;
  readonly tag: "Runs" | "Logs" | "Artifacts" | "Conveyor" | "Operation";
  /** `open` needs no token (default: `read` for GET, else `submit`). */
  readonly role?: Role | "open";
  readonly query?: Query;
  /** Schema of the body, for the description. The handler checks the body itself. */
  readonly body?: z.ZodType;
  readonly headers?: Readonly<Record<string, string>>;
  readonly answers: Readonly<Record<number, Answer>>;
}

type Handler<Query extends z.ZodObject> = (
  context: Context,
  query: z.infer<Query>,
) => Response | Promise<Response>;

/** Adds routes to an application and keeps their descriptions. */
export class Router {
  readonly #app: Hono;
  readonly #routes: Route[] = [];

  constructor(app: Hono) {
    this.#app = app;
  }

  get routes(): readonly Route[] {
    return this.#routes;
  }

  /** Returns the methods that a path has; none if it is no route. */
  methodsOf(path: string): string[] {
    const methods = this.#routes.filter((route) => patternOf(route).test(path)).map(({ method }) => method);
    const all = methods.flatMap((method) => method === "get" ? ["GET", "HEAD"] : [method.toUpperCase()]);
    return [...new Set(all)];
  }

  add<Query extends z.ZodObject>(route: Route<Query>, handler: Handler<Query>): void {
    const { method, path, rest, query } = route;
    this.#routes.push(route as unknown as Route);
    const pattern = path.replace(/\{(\w+)\}/g, (_, name) => name === rest ? `:${name}{.+}` : `:${name}`);
    this.#app.on(method.toUpperCase(), pattern, async (context) => {
      checkRole(context, route);
      return await handler(context, (query ? queryOf(context, query) : {}) as z.infer<Query>);
    });
  }
}

function patternOf({ path, rest }: Route): RegExp {
  const parts = path.replace(/[.]/g, "\\.");
  return new RegExp(`^${parts.replace(/\{(\w+)\}/g, (_, name) => name === rest ? ".+" : "[^/]+")}$`);
}

/** Returns the role that a route requires. */
export const roleOf = ({ role, method }: Pick<Route, "role" | "method">): Role | "open" =>
  role ?? (method === "get" ? "read" : "submit");

function checkRole(context: Context, route: Pick<Route, "role" | "method">): void {
  const wanted = roleOf(route);
  if (wanted === "open") return;
  const has = context.get("role") as Role | undefined;
  if (has !== undefined && ROLES.indexOf(has) >= ROLES.indexOf(wanted)) return;
  throw new Problem(403, `The token has the role "${has}": expected "${wanted}" for this`);
}

/** Parses the query. Throws InputError, which names the parameter. */
function queryOf<Query extends z.ZodObject>({ req }: Context, schema: Query): z.infer<Query> {
  const given = req.query();
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(schema.shape, name));
  if (unknown !== undefined) {
    throw new InputError(
      `Unknown parameter ${JSON.stringify(unknown.slice(0, 60))}: expected some of ${
        Object.keys(schema.shape).join(", ")
      }`,
    );
  }
  const parsed = schema.safeParse(given);
  if (!parsed.success) throw new InputError(describeIssues(parsed.error, given, "query"));
  return parsed.data;
}
