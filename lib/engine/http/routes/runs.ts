import { randomUUID } from "node:crypto";
import type { Context } from "hono";
import { z } from "zod";
import { InputError } from "../../../base/errors.ts";
import { parseJson } from "../../../base/json.ts";
import { isRunId } from "../../../wire/ids.ts";
import {
  ConflictError,
  type ResourceChanges,
  resourceKey,
  type RunPlace,
  type RunQuery,
} from "../../../backend/store.ts";
import type { Resource } from "../../../wire/resource.ts";
import { REASONS } from "../../../wire/reasons.ts";
import { OUTCOMES, type Run } from "../../../wire/run.ts";
import type { Submission } from "../../core/submission.ts";
import { RUN_STATUSES, RunSummary, runSummary, RunView, runView, statusOf } from "../../core/run-view.ts";
import { runOfKey } from "../idempotency.ts";
import { limitBody } from "../limit-body.ts";
import { Problem } from "../problem.ts";
import type { Router } from "../router.ts";
import { resubmissionOf, RetryBody, SubmissionBody, submissionOf } from "../submission.ts";
import { admitNew, knownRun, type RunParts } from "./parts.ts";

const MAX_PAGE = 200;
const PAGE = 50;

const time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));

const RunsQuery = z.object({
  status: z.enum([...RUN_STATUSES, "open"]).optional().describe("`open` for all that have not ended"),
  reason: z.enum(REASONS).optional(),
  resource: z.string().optional().describe("The resource's name"),
  type: z.string().optional().describe("The resource's type"),
  pipeline: z.string().optional(),
  since: time.optional().describe("Created then or later"),
  until: time.optional().describe("Created before"),
  id: z.string().regex(/^[0-9a-fA-F-]{1,36}$/, "expected the beginning of an id").optional()
    .describe("What the id begins with"),
  cursor: z.string().optional().describe("`next` of the page before"),
  limit: z.coerce.number().pipe(z.int().min(1).max(MAX_PAGE)).default(PAGE),
});
type RunsQuery = z.infer<typeof RunsQuery>;

const RunsPage = z.object({
  runs: z.array(RunSummary).describe("Newest first"),
  next: z.string().optional().describe("The cursor of the next page, if there may be one"),
});

const Created = z.object({ run: z.string() });
const CancelBody = z.object({ message: z.string().optional() });
const IDEMPOTENCY = {
  "Idempotency-Key": "A text of the caller's own: sent again with the same body, it is the same run",
};

/** Routes that list, read, start, cancel and retry runs. */
export function runRoutes(router: Router, parts: RunParts): void {
  const { store, engine, clock, catalog } = parts;

  router.add({
    method: "get",
    path: "/runs",
    tag: "Runs",
    summary: "List runs",
    query: RunsQuery,
    answers: { 200: { what: "A page of them", schema: RunsPage } },
  }, async ({ json }, query) => {
    const { runs, next } = query.id === undefined
      ? await page(query)
      : await beginningWith(query.id, query.limit);
    const now = clock();
    return json({ runs: runs.map((run) => runSummary(run, now)), ...next !== undefined && { next } });
  });

  router.add({
    method: "post",
    path: "/runs",
    tag: "Runs",
    summary: "Start a run of a resource that is not stored",
    body: SubmissionBody,
    headers: IDEMPOTENCY,
    answers: { 201: { what: "It is stored, and its first step is on its way", schema: Created } },
  }, async (context) => {
    await admitNew(context, parts);
    return await limitBody(
      context,
      async () => start(context, await submissionOf(await context.req.text(), catalog)),
    );
  });

  router.add({
    method: "get",
    path: "/runs/{id}",
    tag: "Runs",
    summary: "Read a run with its steps",
    answers: { 200: { what: "The run", schema: RunView } },
  }, async ({ req, json }) => {
    const run = await knownRun(store, req.param("id") ?? "");
    const waiting = run.outcome === undefined ? await engine.whyWaiting(run) : undefined;
    return json(runView(run, { now: clock(), waiting }));
  });

  router.add({
    method: "post",
    path: "/runs/{id}/cancel",
    tag: "Runs",
    summary: "Cancel a run; one that has ended is left as it is",
    body: CancelBody,
    answers: { 202: { what: "It ends once its cleanup is through", schema: Created } },
  }, async (context) =>
    await limitBody(context, async () => {
      const { req, json } = context;
      const { id } = await knownRun(store, req.param("id") ?? "");
      const message = messageIn(await req.text()) ?? "Cancelled through the API";
      await engine.stop(id, { outcome: "cancelled", reason: "cancelled", message });
      return json({ run: id }, 202);
    }));

  router.add({
    method: "post",
    path: "/runs/{id}/retry",
    tag: "Runs",
    summary: "Start a new run of the same version of the resource",
    body: RetryBody,
    headers: IDEMPOTENCY,
    answers: { 201: { what: "The new run, which names this one in `retryOf`", schema: Created } },
  }, async (context) => {
    const run = await knownRun(store, context.req.param("id") ?? "");
    await admitNew(context, parts);
    return await limitBody(
      context,
      async () =>
        start(
          context,
          await resubmissionOf(run, await context.req.text(), catalog),
          (repeated) => newestRun(run.resource, repeated),
        ),
    );
  });

  /** `changesFor` returns what is stored together with the run. */
  async function start(
    context: Context,
    submission: Submission,
    changesFor: (run: string) => Promise<ResourceChanges | undefined> = () => Promise.resolve(undefined),
  ): Promise<Response> {
    const key = context.req.header("idempotency-key");
    // The key stands for a run that is there, so it must not let another one in.
    if (key !== undefined && submission.run !== undefined) {
      throw new InputError("body.run: expected none beside an Idempotency-Key");
    }
    const submitter = context.get("submitter");
    const run = submission.run ?? (key === undefined ? randomUUID() : runOfKey(key, submitter));
    const wanted = { ...submission, submitter, run };
    const answer = (run: string) => context.json({ run }, 201, { Location: `/runs/${run}` });
    try {
      return answer(await engine.submit(wanted, await changesFor(run)));
    } catch (error) {
      if (!(error instanceof ConflictError) || key === undefined) throw error;
      const there = await store.runs.get(wanted.run);
      if (!there) throw error;
      if (!isSame(there.value, wanted)) {
        throw new Problem(409, `The Idempotency-Key was used for another request: expected a new one`);
      }
      context.header("Idempotent-Replayed", "true");
      return answer(wanted.run);
    }
  }

  /** Returns the change that makes a run the newest one of its stored resource; undefined if that is another by now. */
  async function newestRun(resource: Resource, run: string): Promise<ResourceChanges | undefined> {
    const { id, name, resource: type, metadata } = resource;
    const key = resourceKey(type, name);
    const found = name.isWellFormed() ? await store.resources.get(key) : undefined;
    if (!found || found.value.resource.id !== id) return undefined;
    if (found.value.resource.metadata?.["version"] !== metadata?.["version"]) return undefined;
    return { resources: [{ key, value: { ...found.value, run }, revision: found.revision }], versions: [] };
  }

  /** The store knows only that a run is open, so more precise statuses are filtered here. */
  async function page(query: RunsQuery): Promise<{ runs: Run[]; next: string | undefined }> {
    const { status, limit } = query;
    const outcome = OUTCOMES.find((known) => known === status) ?? (status === undefined ? undefined : "open");
    const isWanted = (run: Run) => status === undefined || status === "open" || statusOf(run) === status;
    const conditions: RunQuery = {
      ...outcome !== undefined && { outcome },
      ...query.reason !== undefined && { reason: query.reason },
      ...query.resource !== undefined && { name: query.resource },
      ...query.type !== undefined && { type: query.type },
      ...query.pipeline !== undefined && { pipeline: query.pipeline },
      ...query.since !== undefined && { since: query.since },
      ...query.until !== undefined && { until: query.until },
    };
    const runs: Run[] = [];
    let before = query.cursor === undefined ? undefined : placeOf(query.cursor);
    for (;;) {
      const found = await store.runs.list({ ...conditions, ...before && { before }, limit: limit + 1 });
      for (const run of found) {
        if (!isWanted(run)) continue;
        if (runs.length === limit) return { runs, next: cursorOf(runs.at(-1)) };
        runs.push(run);
      }
      before = found.at(-1);
      if (found.length <= limit) return { runs, next: undefined };
    }
  }

  async function beginningWith(prefix: string, limit: number): Promise<{ runs: Run[]; next: undefined }> {
    const ids = await store.runs.find(prefix.toLowerCase(), limit);
    const found = await Promise.all(ids.map((id) => store.runs.get(id)));
    return { runs: found.flatMap((run) => run ? [run.value] : []), next: undefined };
  }
}

const cursorOf = (run: Run | undefined): string | undefined => run && `${run.createdAt}.${run.id}`;

function placeOf(cursor: string): RunPlace {
  const [, createdAt, id = ""] = /^(\d{1,15})\.(.+)$/.exec(cursor) ?? [];
  if (createdAt !== undefined && isRunId(id)) return { createdAt: Number(createdAt), id };
  throw new InputError(
    `Invalid cursor ${JSON.stringify(cursor.slice(0, 60))}: expected "next" of an earlier page`,
  );
}

function isSame({ resource, retryOf, operation }: Run, wanted: Submission): boolean {
  const of = ({ name, resource: type, spec }: Run["resource"]) => JSON.stringify([name, type, spec]);
  return of(resource) === of(wanted.resource) && retryOf === wanted.retryOf && operation === wanted.operation;
}

/**
 * Returns the message of a cancel request, cut to 200 characters, or undefined if the body is empty or has
 * none. Throws Problem 400 if the body is not JSON.
 */
function messageIn(text: string): string | undefined {
  if (text.trim() === "") return undefined;
  try {
    const { message } = parseJson(text) as { message?: unknown };
    return typeof message === "string" && message !== "" ? message.slice(0, 200) : undefined;
  } catch {
    throw new Problem(400, "The body is not JSON: expected nothing, or an object with a message");
  }
}
