import { z } from "zod";
import { REASONS } from "../../wire/reasons.ts";
import { OUTCOMES, type Run, STEP_STATUSES, type StepState } from "../../wire/run.ts";
import type { PipelineStep } from "../../wire/resource.ts";
import { openStep } from "./steps.ts";

/** `queued`: no driver has begun. `stopping`: the verdict is set, and `always` steps remain. */
export const RUN_STATUSES = ["queued", "running", "stopping", ...OUTCOMES] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];

const time = z.iso.datetime().describe("RFC 3339 with milliseconds, UTC");

/** A run in a list. */
export const RunSummary = z.object({
  id: z.string(),
  status: z.enum(RUN_STATUSES),
  reason: z.enum(REASONS).optional().describe("Why it did not succeed, or will not"),
  message: z.string().optional(),
  operation: z.string(),
  resource: z.object({ name: z.string(), type: z.string(), version: z.string().optional() }),
  pipeline: z.string(),
  step: z.string().optional().describe("The step that waits or is at work"),
  createdAt: time,
  startedAt: time.optional(),
  endedAt: time.optional(),
  seconds: z.number().optional().describe("From its first step's beginning, as far as it has come"),
  retryOf: z.string().optional().describe("The run that this one does again"),
  submitter: z.string().optional().describe("The name of the token with which it was submitted"),
});
export type RunSummary = z.infer<typeof RunSummary>;

export const StepView = z.object({
  id: z.string(),
  driver: z.string(),
  status: z.enum(STEP_STATUSES),
  always: z.boolean(),
  anywhere: z.boolean().optional().describe(
    "Any instance of its driver may take it, wherever the container is",
  ),
  timeoutSeconds: z.number().optional().describe("Its own time limit, from its first claim"),
  attempts: z.int().describe("How often a driver has begun it"),
  instance: z.string().optional(),
  queuedAt: time.optional(),
  startedAt: time.optional(),
  endedAt: time.optional(),
  seconds: z.number().optional(),
  result: z.object({ success: z.boolean(), message: z.string(), data: z.unknown().optional() }).optional(),
});
export type StepView = z.infer<typeof StepView>;

/** A run with all its details. */
export const RunView = RunSummary.extend({
  host: z.string().optional().describe("The Docker host on which its container lives"),
  timeoutSeconds: z.number(),
  restartsLeft: z.int(),
  spec: z.unknown(),
  steps: z.array(StepView),
  earlier: z.array(z.array(StepView)).describe(
    "The steps of rounds that were lost with their driver, oldest first",
  ),
  waiting: z.string().optional().describe("Why no driver takes the open step, as far as is known"),
});
export type RunView = z.infer<typeof RunView>;

export function statusOf({ outcome, verdict, startedAt }: Run): RunStatus {
  if (outcome !== undefined) return outcome;
  if (verdict) return "stopping";
  return startedAt === undefined ? "queued" : "running";
}

/** `now` ends the `seconds` of a run that has not ended. */
export function runSummary(run: Run, now: number): RunSummary {
  const { id, operation, resource: { name, resource: type, metadata }, pipeline, verdict } = run;
  const { createdAt, startedAt, endedAt, retryOf, submitter } = run;
  const version = metadata?.["version"];
  const step = openStep(run)?.id;
  return defined({
    id,
    status: statusOf(run),
    reason: verdict?.reason,
    message: verdict?.message,
    operation,
    resource: defined({ name, type, version: typeof version === "string" ? version : undefined }),
    pipeline: pipeline.name,
    step,
    createdAt: timeText(createdAt),
    startedAt: timeText(startedAt),
    endedAt: timeText(endedAt),
    seconds: secondsOf(
      { startedAt: startedAt ?? (endedAt === undefined ? undefined : createdAt), endedAt },
      now,
    ),
    retryOf,
    submitter,
  });
}

export function runView(run: Run, { now, waiting }: { now: number; waiting: string | undefined }): RunView {
  const { host, timeoutMs, restartsLeft, resource: { spec }, steps, earlier = [], pipeline } = run;
  const asked = new Map(pipeline.steps.map((step) => [step.id, step]));
  const viewed = (step: StepState) => stepView(step, now, asked.get(step.id));
  return defined({
    ...runSummary(run, now),
    host,
    timeoutSeconds: timeoutMs / 1000,
    restartsLeft,
    spec,
    steps: steps.map(viewed),
    earlier: earlier.map((round) => round.map(viewed)),
    waiting,
  });
}

function stepView(
  step: StepState,
  now: number,
  { anywhere, timeout }: Pick<PipelineStep, "anywhere" | "timeout"> = {},
): StepView {
  const { id, driver, status, always, attempt, instance, queuedAt, startedAt, endedAt, result } = step;
  return defined({
    id,
    driver,
    status,
    always,
    anywhere,
    timeoutSeconds: timeout === undefined ? undefined : timeout / 1000,
    attempts: startedAt === undefined ? 0 : attempt,
    instance,
    queuedAt: timeText(queuedAt),
    startedAt: timeText(startedAt),
    endedAt: timeText(endedAt),
    seconds: secondsOf(step, now),
    result,
  });
}

function secondsOf(
  { startedAt, endedAt }: { startedAt?: number | undefined; endedAt?: number | undefined },
  now: number,
): number | undefined {
  if (startedAt === undefined) return undefined;
  return Math.max(0, (endedAt ?? now) - startedAt) / 1000;
}

const timeText = <T extends number | undefined>(ms: T) =>
  (ms === undefined ? undefined : new Date(ms).toISOString()) as T extends number ? string
    : string | undefined;

/** Returns the object without undefined values. */
function defined<T extends object>(object: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
