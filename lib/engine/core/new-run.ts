import { InputError } from "../../base/errors.ts";
import { MAX_MESSAGE_BYTES } from "../../backend/transport.ts";
import type { PipelineEvent } from "../../wire/messages.ts";
import type { Pipeline } from "../../wire/resource.ts";
import type { Run } from "../../wire/run.ts";
import type { Submission } from "./submission.ts";
import { checkSubmission } from "./validate.ts";

/** The time limit of a run whose submitter cannot set one: longer than any person's build takes. */
const INITIATED_TIMEOUT_MS = 3_600_000;

/** Makes the record of a new run. */
export function newRun(
  id: string,
  submission: Submission,
  now: number,
  maxMessageBytes = MAX_MESSAGE_BYTES,
): Run {
  const { resource, specText, pipeline, operation, timeoutMs, restarts, retryOf, submitter } = submission;
  const { pipeline: _, ...rest } = resource;
  return {
    schema: 1,
    id,
    operation,
    resource: pipeline.name === "" ? rest : { ...resource, pipeline: pipeline.name },
    ...specText !== undefined && { specText },
    pipeline,
    steps: pipeline.steps.map(({ id, driver, always = false }) => (
      { id, driver, always, status: "pending", dispatch: 0, attempt: 0 }
    )),
    createdAt: now,
    timeoutMs,
    restartsLeft: restarts,
    ...retryOf !== undefined && { retryOf },
    ...submitter !== undefined && { submitter },
    ...maxMessageBytes < MAX_MESSAGE_BYTES && { maxMessageBytes },
    outbox: [],
  };
}

/** Makes the run that a Conveyor server's API asks for; returns the problem if the request is invalid. */
export function initiatedRun(
  event: PipelineEvent,
  pipeline: Pipeline,
  now: number,
  maxMessageBytes?: number,
): Run | string {
  const operation = (["create", "update", "delete"] as const).find((name) => name === event.event);
  if (!operation) return `Unknown operation "${event.event}": expected create, update or delete`;
  const submission: Submission = {
    run: event.run_id,
    resource: event.resource,
    pipeline,
    operation,
    timeoutMs: INITIATED_TIMEOUT_MS,
    restarts: 0,
    secrets: {},
  };
  try {
    checkSubmission(submission);
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
  return newRun(event.run_id, submission, now, maxMessageBytes);
}
