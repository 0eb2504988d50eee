import { z } from "zod";
import { DriverResult, Pipeline, Resource } from "./resource.ts";
import { REASONS } from "./reasons.ts";

/** A message that has yet to be published. Removed from the record once the transport has stored it. */
export const OutboxMessage = z.object({
  id: z.string(),
  subject: z.string(),
  headers: z.record(z.string(), z.string()),
  data: z.string(),
});
export type OutboxMessage = z.infer<typeof OutboxMessage>;

export const STEP_STATUSES = ["pending", "dispatched", "running", "succeeded", "failed", "skipped"] as const;

export const StepState = z.object({
  id: z.string(),
  driver: z.string(),
  /** Runs in every outcome. */
  always: z.boolean(),
  /** `dispatched`: its event was sent. `running`: claimed. */
  status: z.enum(STEP_STATUSES),
  /** Number of events created for this step, which ends the event's id. 0 before the first. */
  dispatch: z.int(),
  /** The attempt that may work, and whose result counts. 0 before the first claim. */
  attempt: z.int(),
  instance: z.string().optional(),
  /** SHA-256 of the body of the last dispatch's event. */
  digest: z.string().optional(),
  /** Delivery of its event that the current attempt works on. */
  delivery: z.int().optional(),
  /** Time of the current attempt's last message, milliseconds since the epoch. */
  heardAt: z.number().optional(),
  /** Time of the last dispatch. A step that is not claimed is sent again. */
  dispatchedAt: z.number().optional(),
  /** Time of the first dispatch. */
  queuedAt: z.number().optional(),
  startedAt: z.number().optional(),
  endedAt: z.number().optional(),
  result: DriverResult.optional(),
  /** While the step is open: JSON that its next attempt gets. */
  progress: z.string().optional(),
});
export type StepState = z.infer<typeof StepState>;

export const OUTCOMES = ["succeeded", "failed", "cancelled", "timed-out"] as const;
export type Outcome = (typeof OUTCOMES)[number];

/**
 * The engine's complete record of a run. It is written whole, in one compare-and-set, with the messages that
 * follow from the change. `verdict` is how the run will end once its `always` steps are done; `outcome` is
 * set when it has ended.
 */
export const Run = z.object({
  schema: z.literal(1),
  id: z.string(),
  /** `create`, `update` or `delete`: sent as `event` with every step. */
  operation: z.string(),
  resource: Resource,
  /** The spec's JSON text, if parsing and writing it again would change it. */
  specText: z.string().optional(),
  pipeline: Pipeline,
  steps: z.array(StepState),
  /** The run that this one repeats. */
  retryOf: z.string().optional(),
  /** The name of the token with which the run was submitted. */
  submitter: z.string().optional(),
  /** The steps before each restart after the run's driver was lost, oldest first. */
  earlier: z.array(z.array(StepState)).optional(),
  /** The Docker host of the run's container, once a step has reported it. */
  host: z.string().optional(),
  createdAt: z.number(),
  /** The boot of the control plane's machine in which `createdAt` was, and the seconds since it began. */
  boot: z.object({ boot: z.string(), seconds: z.number() }).optional(),
  /** When the first step was claimed: start of `timeoutMs`. */
  startedAt: z.number().optional(),
  endedAt: z.number().optional(),
  timeoutMs: z.number(),
  /** Maximum size of this run's event messages, bytes, if the broker accepts less than usual. */
  maxMessageBytes: z.int().optional(),
  /** Number of fresh starts left if the run's driver is lost. */
  restartsLeft: z.int(),
  verdict: z.object({
    outcome: z.enum(OUTCOMES),
    reason: z.enum(REASONS).optional(),
    message: z.string(),
  }).optional(),
  outcome: z.enum(OUTCOMES).optional(),
  outbox: z.array(OutboxMessage),
});
export type Run = z.infer<typeof Run>;

/** An artifact as listed in `data.artifacts` of the builder, at the run's end, and in the API. */
export const Artifact = z.object({
  name: z.string(),
  /** Its path in the workspace. */
  path: z.string(),
  size: z.int(),
  sha256: z.string(),
  /** Permission bits in octal, like `0755`; default 0644. */
  mode: z.string().regex(/^0[0-7]{3}$/).optional(),
  /** When it was modified, whole seconds since the epoch, if the spec asks for it. */
  mtime: z.int().nonnegative().optional(),
  /**
   * Name of the artifact to which this one is a link, with the same bytes. Told of a run, never by a driver.
   */
  link: z.string().optional(),
});
export type Artifact = z.infer<typeof Artifact>;

/** Default permission bits: read and write for the owner, read for others. */
export const USUAL_MODE = 0o644;

/** Returns an artifact's `mode` field; empty for the default bits. */
export function modeText(mode: number | undefined): { mode?: string } {
  if (mode === undefined || mode === USUAL_MODE) return {};
  return { mode: `0${(mode & 0o777).toString(8).padStart(3, "0")}` };
}

/** The last time that a tar archive's header can hold, seconds since the epoch: in 2242. */
export const MAX_MTIME = 0o77777777777;

/** Returns an artifact's `mtime` field, whole seconds; empty without a time from 0 to MAX_MTIME. */
export function mtimeField(seconds: unknown): { mtime?: number } {
  const isGiven = typeof seconds === "number" || (typeof seconds === "string" && seconds !== "");
  const mtime = isGiven ? Math.floor(Number(seconds)) : NaN;
  return mtime >= 0 && mtime <= MAX_MTIME ? { mtime } : {};
}

/** Parses the permission bits. */
export const modeOf = (text: string | undefined): number =>
  text === undefined ? USUAL_MODE : parseInt(text, 8) & 0o777;
