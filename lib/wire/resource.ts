import { z } from "zod";

/** What may stand as one token in a NATS subject: no dot, no space, no wildcard. Also a consumer's name. */
export const token = z.string().regex(
  /^[A-Za-z0-9_-]{1,128}$/,
  "expected letters, digits, - and _ only (it becomes part of a subject)",
);

/**
 * A resource as it travels (protocol 1.3). Unknown fields are kept. `metadata` is lenient on the way in: newer servers
 * nest objects in it; what we write there is always a string.
 */
export const Resource = z.looseObject({
  id: z.string(),
  name: z.string(),
  pipeline: z.string().nullish(),
  resource: z.string(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
  spec: z.unknown(),
});
export type Resource = z.infer<typeof Resource>;

/** What a driver answers. On the wire `driver` names who answered. */
export const DriverResult = z.looseObject({
  success: z.boolean(),
  message: z.string().nullish().transform((message) => message ?? ""),
  data: z.unknown().optional(),
});
export type DriverResult = { success: boolean; message: string; data?: unknown };

/**
 * Steps of a pipeline in their order (protocol 2.2). `always` (runs in every outcome), `anywhere` (needs nothing of the host
 * on which the run's container lives: any instance of its driver may take it) and `timeout` (milliseconds from its first
 * claim) are ours and ignored by others.
 */
export const PipelineStep = z.object({
  id: token,
  name: z.string(),
  driver: token,
  always: z.boolean().optional(),
  anywhere: z.boolean().optional(),
  timeout: z.int().positive().optional(),
});
export type PipelineStep = z.infer<typeof PipelineStep>;

export const Pipeline = z.object({
  name: z.string().min(1),
  description: z.string().optional(),
  version: z.string().optional(),
  resource: z.string().min(1),
  steps: z.array(PipelineStep),
  metadata: z.unknown().optional(),
});
export type Pipeline = z.infer<typeof Pipeline>;

/** A resource type and the JSON Schema of its spec (protocol 2.2). */
export const ResourceDefinition = z.object({
  id: z.string().optional(),
  name: token,
  description: z.string().optional(),
  version: z.string().optional(),
  schema: z.unknown(),
});
export type ResourceDefinition = z.infer<typeof ResourceDefinition>;
