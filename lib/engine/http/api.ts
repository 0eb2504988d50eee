import { randomUUID } from "node:crypto";
import { type Context, Hono } from "hono";
import { type Clock, systemClock } from "../../base/clock.ts";
import { UnavailableError } from "../../base/errors.ts";
import type { Store } from "../../backend/store.ts";
import type { ResourceType } from "../core/resource-type.ts";
import { Catalog } from "../shell/catalog.ts";
import type { Engine } from "../shell/engine.ts";
import { admission } from "./admission.ts";
import { corsFor, hostGuard, type NamedToken, tokenGuard } from "./guards.ts";
import { bodyLimited } from "./limit-body.ts";
import { openApiRoute } from "./openapi.ts";
import { errorAnswer, Problem, REQUEST_ID } from "./problem.ts";
import { routePath } from "./route-path.ts";
import { Router } from "./router.ts";
import { archiveRoute } from "./routes/artifact-archive.ts";
import { artifactRoutes } from "./routes/artifacts.ts";
import { conveyorLogRoutes } from "./routes/conveyor-logs.ts";
import { definitionRoutes } from "./routes/definitions.ts";
import { eventRoutes } from "./routes/events.ts";
import { logRoutes } from "./routes/logs.ts";
import { metricsRoute, type OperationParts, operationRoutes } from "./routes/operation.ts";
import { messageRoutes } from "./routes/messages.ts";
import type { RunParts } from "./routes/parts.ts";
import { pipelineRoutes } from "./routes/pipelines.ts";
import { resourceRoutes } from "./routes/resources.ts";
import { runRoutes } from "./routes/runs.ts";
import { swaggerRoute } from "./routes/swagger.ts";
import { sealedGuard } from "./sealed-guard.ts";

export interface ApiOptions extends OperationParts {
  readonly engine: Engine;
  readonly store: Store;
  /** The control plane's own token, with the role `admin`. */
  readonly token: string;
  /** Further tokens, each with its own role. */
  readonly tokens?: readonly NamedToken[];
  /** Returns why a signed token is rejected, or undefined if it is valid. Omit to accept no signed tokens. */
  readonly whyNotSigned?: ((token: string) => string | undefined) | undefined;
  /** Returns true if the server accepts this name in a Host header. */
  readonly isOurHost: (hostname: string) => boolean;
  /** The one origin whose pages may call the API from a browser. Omit to allow none. */
  readonly cors?: string | undefined;
  /** Registered resource types. A resource of any other type must be submitted with a pipeline. */
  readonly resourceTypes: readonly ResourceType[];
  /** Sends a message to the listeners of a subject, if any. */
  readonly broadcast: (subject: string, data: string) => Promise<void>;
  readonly clock?: Clock;
  /** Once it fires, no more runs are accepted. */
  readonly draining: AbortSignal;
  /** Maximum number of open runs; further ones are refused (default: no limit). */
  readonly maxOpenRuns?: number;
  /** Maximum number of open runs of each submitter; further ones are refused (default: no limit). */
  readonly maxRunsEach?: number | undefined;
  /** How long logs are kept, milliseconds (default: not known). */
  readonly keepLogsMs?: number;
  /** Interval between heartbeats on an idle stream, milliseconds (default 10,000). */
  readonly heartbeatMs?: number;
  readonly version?: string;
}

const HEARTBEAT_MS = 10_000;

/**
 * The control plane's HTTP API. Every route except the health checks needs `Authorization: Bearer <token>` or
 * a request sealed with a token (`wire/sealed-request.ts`). Errors are `{error, code, request}`.
 * `/openapi.json` describes the routes.
 *
 * A run's secret named `<driver>:<name>` goes to that driver only: `git-cloner:git.example.com` is the git
 * token for that host.
 */
export function httpApi(options: ApiOptions): (request: Request) => Promise<Response> {
  const { token, whyNotSigned, isOurHost, cors, draining, heartbeatMs = HEARTBEAT_MS, clock = systemClock } =
    options;
  const tokens: NamedToken[] = [{ name: "own", role: "admin", token }, ...options.tokens ?? []];
  const app = newApp();
  const router = new Router(app);
  app.notFound((context) => errorAnswer(unroutable(router, context), context));
  app.use(hostGuard(isOurHost));
  if (cors !== undefined) app.use(corsFor(cors));
  operationRoutes(router, options);
  swaggerRoute(router);
  app.use(sealedGuard(tokens, { clock, limit: bodyLimited(), otherwise: tokenGuard(tokens, whyNotSigned) }));
  const { engine, store, resourceTypes, maxOpenRuns = Infinity, maxRunsEach = Infinity } = options;
  const admit = admission({ engine, draining, maxOpenRuns, maxRunsEach });
  const catalog = new Catalog({ store, types: resourceTypes });
  const { keepLogsMs } = options;
  const runParts: RunParts = { engine, store, catalog, clock, heartbeatMs, keepLogsMs, admit };
  addRunRoutes(router, runParts);
  definitionRoutes(router, { store, catalog });
  pipelineRoutes(router, { store, catalog });
  resourceRoutes(router, { store, catalog, engine, admit });
  conveyorLogRoutes(router, runParts);
  messageRoutes(router, { engine, store, broadcast: options.broadcast });
  eventRoutes(router, { engine, store, heartbeatMs });
  if (options.metrics) metricsRoute(router, { metrics: options.metrics });
  openApiRoute(router, options.version ?? "0");
  return async (request) => await app.fetch(request);
}

/**
 * The run routes over a data folder, without a socket: for commands without a control plane. Throws the
 * store's `UnavailableError`, whose hint no response has.
 */
export function historyApi(
  parts: Omit<RunParts, "heartbeatMs" | "admit" | "catalog">,
): (request: Request) => Promise<Response> {
  const app = newApp();
  app.onError((error, context) => {
    if (error instanceof UnavailableError) throw error;
    return errorAnswer(error, context);
  });
  app.use(async (context, next) => {
    context.set("role", "admin");
    await next();
  });
  const catalog = new Catalog({ store: parts.store, types: [] });
  addRunRoutes(new Router(app), { ...parts, catalog, heartbeatMs: HEARTBEAT_MS, admit: () => {} });
  return async (request) => await app.fetch(request);
}

declare module "hono" {
  interface ContextVariableMap {
    /** The request's id. */
    request: string;
    /** The role of the request's token. */
    role: string;
    /** The name of the request's token; of a history without a control plane it is unset. */
    submitter: string | undefined;
  }
}

function newApp(): Hono {
  const app = new Hono({ getPath: routePath });
  app.onError(errorAnswer);
  app.use(async (context, next) => {
    const request = randomUUID();
    context.set("request", request);
    context.header(REQUEST_ID, request);
    await next();
    context.res.headers.set(REQUEST_ID, request);
  });
  return app;
}

/** Returns the problem of a request that no route takes. */
function unroutable(router: Router, { req: { method, path, raw } }: Context): Problem {
  const allowed = router.methodsOf(routePath(raw));
  if (allowed.length === 0) return new Problem(404, `Unknown route "${method} ${path}"`);
  const Allow = allowed.join(", ");
  return new Problem(405, `"${path}" knows no ${method}: expected ${Allow}`, { Allow });
}

function addRunRoutes(router: Router, parts: RunParts): void {
  runRoutes(router, parts);
  logRoutes(router, parts);
  artifactRoutes(router, parts);
  archiveRoute(router, parts);
}
