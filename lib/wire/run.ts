import { z } from "zod";
import { DriverResult, Pipeline, Resource } from "./resource.ts";
import { REASONS } from "./reasons.ts";

/** A message that the record says has to be published. Emptied once the transport has taken it. */
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
  /** `dispatched`: its event is out. `running`: claimed. */
  status: z.enum(STEP_STATUSES),
  /** How often an event was made for this step; the last number of the event's id. 0 before the first. */
  dispatch: z.int(),
  /** The attempt that may work, and whose result counts. 0 before the first claim. */
  attempt: z.int(),
  instance: z.string().optional(),
  /** SHA-256 of the body of the event of the last dispatch. */
  digest: z.string().optional(),
  /** Which delivery of its event the current attempt works on. */
  delivery: z.int().optional(),
  /** When the current attempt was last heard of, milliseconds since the epoch. */
  heardAt: z.number().optional(),
  /** Set when the step was handed out: a step that nobody claims is sent again. */
  dispatchedAt: z.number().optional(),
  /** When it was handed out for the first time. */
  queuedAt: z.number().optional(),
  startedAt: z.number().optional(),
  endedAt: z.number().optional(),
  result: DriverResult.optional(),
});
export type StepState = z.infer<typeof StepState>;

export const OUTCOMES = ["succeeded", "failed", "cancelled", "timed-out"] as const;
export type Outcome = (typeof OUTCOMES)[number];

/**
 * Everything the engine knows of a run: written whole, in one compare-and-set, with the messages that follow from it.
 * `verdict` is how the run will end once its always-run steps are through; `outcome` says that it has ended.
 */
export const Run = z.object({
  schema: z.literal(1),
  id: z.string(),
  /** `create`, `update` or `delete`: sent as `event` with every step. */
  operation: z.string(),
  resource: Resource,
  pipeline: Pipeline,
  steps: z.array(StepState),
  /** The run that this one does again. */
  retryOf: z.string().optional(),
  /** The steps as they stood each time the run's driver was lost and it started again, oldest first. */
  earlier: z.array(z.array(StepState)).optional(),
  /** The Docker host on which the run's container lives, once a step has said so. */
  host: z.string().optional(),
  createdAt: z.number(),
  /** Which boot of the control plane's machine `createdAt` was in, and how many seconds after its beginning. */
  boot: z.object({ boot: z.string(), seconds: z.number() }).optional(),
  /** When the first step was claimed: from here counts `timeoutMs`. */
  startedAt: z.number().optional(),
  endedAt: z.number().optional(),
  timeoutMs: z.number(),
  /** The most bytes of a message of its events, where the broker takes less than usual. */
  maxMessageBytes: z.int().optional(),
  /** How many fresh starts a lost run still has. */
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

/** An artifact as it is listed: in `data.artifacts` of the builder, at the run's end, in the API. */
export const Artifact = z.object({
  name: z.string(),
  /** Where it lay in the workspace. */
  path: z.string(),
  size: z.int(),
  sha256: z.string(),
  /** Permission bits as an octal text, `0755`; without it they are 0644. */
  mode: z.string().regex(/^0[0-7]{3}$/).optional(),
});
export type Artifact = z.infer<typeof Artifact>;

/** What nobody has to be told: read and write for the owner, read for others. */
export const USUAL_MODE = 0o644;

/** Permission bits as an artifact has them: nothing where they are usual. */
export function modeText(mode: number | undefined): { mode?: string } {
  if (mode === undefined || mode === USUAL_MODE) return {};
  return { mode: `0${(mode & 0o777).toString(8).padStart(3, "0")}` };
}

/** The permission bits that a text stands for. */
export const modeOf = (text: string | undefined): number =>
  text === undefined ? USUAL_MODE : parseInt(text, 8) & 0o777;
