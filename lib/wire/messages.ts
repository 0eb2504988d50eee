import { z } from "zod";
import { DriverResult, Resource } from "./resource.ts";

/**
 * An event for a driver (protocol 1.3). `payload` is a Resource as a JSON string; an object is accepted too.
 */
export const DriverMessage = z.looseObject({
  event: z.string(),
  payload: z.union([z.string(), z.record(z.string(), z.unknown())]),
  id: z.string().nullish(),
  run_id: z.string().min(1),
});
export type DriverMessage = z.infer<typeof DriverMessage>;

/**
 * A message on `pipelines.pipeline.init` and `pipelines.driver.result` (protocol 1.3). Here the resource is
 * an object.
 */
export const PipelineEvent = z.looseObject({
  event: z.string(),
  run_id: z.string().min(1),
  resource: Resource,
  driverresult: DriverResult.and(z.object({ driver: z.string() })),
});
export type PipelineEvent = z.infer<typeof PipelineEvent>;

export type LogStream = "stdout" | "stderr" | "system";

/**
 * One line of a run's log: Conveyor's Log object, and two fields of ours that other programs ignore.
 * `message` has no newline. `timestamp` is RFC 3339 in UTC with a fixed width, so that text order is time
 * order.
 */
export const Log = z.looseObject({
  runid: z.string(),
  driver: z.string(),
  pipeline: z.string().nullish(),
  timestamp: z.string(),
  message: z.string(),
  step: z.string().optional(),
  stream: z.enum(["stdout", "stderr", "system"]).optional(),
});
export type Log = z.infer<typeof Log>;

/**
 * As `Log.parse`, with the same result, but much faster for lines written by our own drivers: every line of
 * every log that is read passes through here.
 */
export function readLog(value: unknown): Log {
  return isOurLog(value) ? value : Log.parse(value);
}

function isOurLog(value: unknown): value is Log {
  if (typeof value !== "object" || value === null) return false;
  const { runid, driver, pipeline, timestamp, message, step, stream } = value as Record<string, unknown>;
  return typeof message === "string" && typeof timestamp === "string" && typeof runid === "string" &&
    typeof driver === "string" && typeof step === "string" &&
    (pipeline === undefined || typeof pipeline === "string") &&
    (stream === "stdout" || stream === "stderr" || stream === "system");
}
