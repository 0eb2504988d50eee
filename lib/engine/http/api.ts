import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { type Clock, systemClock } from "../../base/clock.ts";
import type { Store } from "../../backend/store.ts";
import { isRunId } from "../../wire/ids.ts";
import type { Run } from "../../wire/run.ts";
import type { Engine } from "../shell/engine.ts";
import type { RunEvent } from "../core/events.ts";
import type { ResourceType } from "../core/resource-type.ts";
import { corsFor, hostGuard, tokenGuard } from "./guards.ts";
import { lineStream } from "./line-stream.ts";
import { Problem, problemOf } from "./problem.ts";
import { sealedGuard } from "./sealed-guard.ts";
import { submissionOf } from "./submission.ts";
import { parseJson } from "../../base/json.ts";

export interface ApiOptions {
  readonly engine: Engine;
  readonly store: Store;
  readonly token: string;
  /** Tells why a token is none that an authority of ours vouches for; undefined where it is one. Without it none is. */
  readonly whyNotSigned?: ((token: string) => string | undefined) | undefined;
  /** Tells whether we are asked for by a name of ours. */
  readonly isOurHost: (hostname: string) => boolean;
  /** The origin whose pages may call us from a browser; none without. */
  readonly cors?: string | undefined;
  /** Resource types that are registered here. Resources of any other type are taken too, with a pipeline beside them. */
  readonly resourceTypes: readonly ResourceType[];
  readonly clock?: Clock;
  /** Once it fires, no run is taken any more. */
  readonly draining: AbortSignal;
  /** Between two signs of life where nothing else is sent, milliseconds (default 10,000). */
  readonly beatMs?: number;
}

/** The largest body: a spec of 256 KiB as JSON, and what goes with it. */
const MAX_BODY_BYTES = 1024 * 1024;
const BEAT_MS = 10_000;

/**
 * The control plane over HTTP. Errors are `{"error": "…"}`. Every route but `/health` wants `Authorization: Bearer <token>`, or a
 * request that is sealed with it (`wire/sealed-request.ts`).
 * Of the secrets of a run, one that is called `<driver>:<name>` is for that driver only: `git-cloner:git.example.com` is the
 * git token for that host.
 *
 * - `POST /runs`: `{resource, run?, pipeline?, operation?, timeout?, restarts?, secrets?}` → 201 `{run}`; 409 where there is one of that id
 * - `GET /runs/<id>/events?logs=false`: the run from its beginning to its end, one JSON object a line; empty lines mean nothing
 * - `POST /runs/<id>/cancel`: `{message?}` → 202
 * - `GET /runs/<id>/artifacts/<name>`: the bytes
 * - `GET /health`: 200 `{status: "ok" | "draining"}`, or 503 `{status: "failing", troubles}` while a part of the control plane
 *   does not work and is tried again
 */
export function httpApi(options: ApiOptions): (request: Request) => Promise<Response> {
  const {
    engine,
    store,
    token,
    whyNotSigned,
    isOurHost,
    cors,
    resourceTypes,
    draining,
    beatMs = BEAT_MS,
    clock = systemClock,
  } = options;
  const app = new Hono();
  app.onError((error, { json }) => {
    const { status, message } = problemOf(error);
    return json({ error: message }, status);
  });
  app.notFound(({ req, json }) => json({ error: `Unknown route "${req.method} ${req.path}"` }, 404));
  app.use(hostGuard(isOurHost));
  if (cors !== undefined) app.use(corsFor(cors));
  app.get("/health", ({ json }) => {
    const { troubles } = engine;
    if (troubles.length > 0) return json({ status: "failing", troubles }, 503);
    return json({ status: draining.aborted ? "draining" : "ok" });
  });
  app.use(sealedGuard(token, { clock, limit: limited(), otherwise: tokenGuard(token, whyNotSigned) }));

  app.post("/runs", limited(), async ({ req, json }) => {
    if (draining.aborted) throw new Problem(503, "The control plane is about to end: it takes no more runs");
    const run = await engine.submit(submissionOf(await req.text(), resourceTypes));
    return json({ run }, 201, { Location: `/runs/${run}` });
  });

  app.get("/runs/:id/events", async ({ req }) => {
    const { id } = await known(req.param("id"));
    const leaving = new AbortController();
    const signal = AbortSignal.any([leaving.signal, req.raw.signal]);
    const events = engine.follow(id, { logs: req.query("logs") !== "false", signal });
    const body = lineStream(linesOf(events), { beatMs, onCancel: () => leaving.abort() });
    return new Response(body, {
      headers: { "Content-Type": "application/x-ndjson; charset=utf-8", "Cache-Control": "no-store" },
    });
  });

  app.post("/runs/:id/cancel", limited(), async ({ req, json }) => {
    const { id } = await known(req.param("id"));
    const message = messageIn(await req.text()) ?? "Cancelled through the API";
    await engine.stop(id, { outcome: "cancelled", reason: "cancelled", message });
    return json({ run: id }, 202);
  });

  app.get("/runs/:id/artifacts/:name{.+}", async ({ req, body }) => {
    const { id } = await known(req.param("id"));
    const name = req.param("name");
    // Looked for by its name: what is no artifact's name leads nowhere.
    const found = await store.artifacts.find(id, name);
    const bytes = found && await store.artifacts.open(id, name);
    if (!found || !bytes) throw new Problem(404, `Run "${id}" has no artifact "${name}"`);
    return body(ReadableStream.from(bytes), 200, {
      "Content-Type": "application/octet-stream",
      "Content-Length": String(found.size),
      "Content-Disposition": "attachment",
      "X-Content-Type-Options": "nosniff",
    });
  });

  return async (request) => await app.fetch(request);

  async function known(id: string): Promise<Run> {
    const found = isRunId(id) ? await store.runs.get(id) : undefined;
    if (!found) throw new Problem(404, `Unknown run "${id}"`);
    return found.value;
  }
}

const limited = () =>
  bodyLimit({
    maxSize: MAX_BODY_BYTES,
    onError: () => {
      throw new Problem(413, `The body is too large: expected ${MAX_BODY_BYTES} bytes at most`);
    },
  });

async function* linesOf(events: AsyncIterable<RunEvent>): AsyncGenerator<string> {
  for await (const event of events) yield `${JSON.stringify(event)}\n`;
}

/** Who cancels may say so in their own words, up to a point. */
function messageIn(text: string): string | undefined {
  if (text.trim() === "") return undefined;
  try {
    const { message } = parseJson(text) as { message?: unknown };
    return typeof message === "string" && message !== "" ? message.slice(0, 200) : undefined;
  } catch {
    throw new Problem(400, "The body is no JSON: expected nothing, or an object with a message");
  }
}
