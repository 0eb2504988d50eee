import { z } from "zod";

/** One token of a NATS subject: no dot, no space, no wildcard. Also a consumer's name. */
export const token = z.string().regex(
  /^[A-Za-z0-9_-]{1,128}$/,
  "expected letters, digits, - and _ only (it becomes part of a subject)",
);

/** A resource on the wire (protocol 1.3). */
export interface Resource {
  readonly id: string;
  readonly name: string;
  readonly pipeline?: string | null | undefined;
  /** Its type. */
  readonly resource: string;
  readonly metadata?: Readonly<Record<string, unknown>> | null | undefined;
  readonly spec: unknown;
  /** Unknown fields are kept. */
  readonly [field: string]: unknown;
}

/**
 * Accepts any values in `metadata`, since newer servers nest objects in it; what we write there is always a
 * string.
 */
export const RESOURCE_FIELDS = {
  id: z.string(),
  name: z.string(),
  pipeline: z.string().nullish(),
  resource: z.string(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
  spec: z.unknown(),
};
export const Resource: z.ZodType<Resource> = z.looseObject(RESOURCE_FIELDS);

/** A driver's answer. On the wire `driver` names the driver. */
export interface DriverResult {
  success: boolean;
  message: string;
  data?: unknown;
}
export const DriverResult: z.ZodType<DriverResult> = z.looseObject({
  success: z.boolean(),
  message: z.string().nullish().transform((message) => message ?? ""),
  data: z.unknown().optional(),
});

/**
 * A step of a pipeline (protocol 2.2). Our own fields, which other programs ignore: `always` (runs in every
 * outcome), `anywhere` (does not need the host of the run's container: any instance of its driver may take
 * it) and `timeout` (milliseconds from its first claim).
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

/**
 * A resource type and the JSON Schema of its spec (protocol 2.2). Our own fields say what happens to a
 * resource without a pipeline: `pipeline` names its default one, `drivers` are the drivers that handle it one
 * after another.
 */
export const ResourceDefinition = z.object({
  id: z.string().optional(),
  name: token,
  description: z.string().optional(),
  version: z.string().optional(),
  schema: z.unknown(),
  pipeline: z.string().min(1).optional(),
  drivers: z.array(token).min(1).optional(),
});
export type ResourceDefinition = z.infer<typeof ResourceDefinition>;
