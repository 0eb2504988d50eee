import { z } from "zod";
import { parseJson } from "../../../base/json.ts";
import { RunSummary, runSummary, RunView, runView } from "../../core/run-view.ts";
import { limitBody } from "../limit-body.ts";
import { Problem } from "../problem.ts";
import type { Router } from "../router.ts";
import { resubmissionOf, RetryBody, SubmissionBody, submissionOf } from "../submission.ts";
import { findRuns, RunsQuery } from "./find-runs.ts";
import { admitNew, knownRun, type RunParts } from "./parts.ts";
import { newestRun, startRun } from "./start-run.ts";

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
    const { runs, next } = await findRuns(store, query);
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
      async () => startRun(context, parts, await submissionOf(await context.req.text(), catalog)),
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
        startRun(
          context,
          parts,
          await resubmissionOf(run, await context.req.text(), catalog),
          (repeated) => newestRun(store, run.resource, repeated),
        ),
    );
  });
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
