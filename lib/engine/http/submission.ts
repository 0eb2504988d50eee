import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { Store } from "../../backend/store.ts";
import { InputError, messageOf } from "../../base/errors.ts";
import { parseDuration } from "../../base/units.ts";
import { describeIssues } from "../../wire/issues.ts";
import { Pipeline, Resource } from "../../wire/resource.ts";
import type { ResourceType, SpecFacts } from "../core/resource-type.ts";
import type { Submission } from "../core/submission.ts";
import type { Run } from "../../wire/run.ts";
import { NestingError, parseJson } from "../../base/json.ts";

const OPERATIONS = ["create", "update", "delete"] as const;

/** Timeout of a run if neither the request nor the spec sets one. */
const DEFAULT_TIMEOUT_MS = 3_600_000;

/** The body of `POST /runs`. */
export const SubmissionBody = z.strictObject({
  /** A UUID chosen by the caller: two requests with the same one make one run. */
  run: z.string().optional(),
  resource: Resource.extend({ id: z.string().optional() }),
  /** The steps, or the name of a pipeline that is stored here. */
  pipeline: z.union([Pipeline, z.string().min(1)]).optional(),
  operation: z.enum(OPERATIONS).default("create"),
  /** Milliseconds, or a text like `30m`. */
  timeout: z.union([z.number(), z.string()]).optional(),
  restarts: z.int().optional(),
  secrets: z.record(z.string(), z.string()).default({}),
});

/** The body of `POST /runs/<id>/retry`; it may be empty. */
export const RetryBody = z.strictObject({
  /** A UUID chosen by the caller: two requests with the same one make one run. */
  run: z.string().optional(),
  /** Secrets of the new run: those of the original are not kept. */
  secrets: z.record(z.string(), z.string()).default({}),
});

/** A submission whose pipeline may still be a name. */
export interface Requested extends Omit<Submission, "pipeline"> {
  readonly pipeline: Pipeline | string;
}

/**
 * Returns the submission that a request's body describes. A resource without a pipeline gets the pipeline of
 * its type, which is also known by its name. Throws InputError with one line per mistake; the lines contain
 * no secret values.
 */
export function submissionOf(text: string, types: readonly ResourceType[]): Requested {
  const input = parse(text);
  const parsed = SubmissionBody.safeParse(input);
  if (!parsed.success) throw new InputError(describeIssues(parsed.error, withoutSecrets(input), "body"));
  const { run, resource, operation, secrets, timeout, restarts } = parsed.data;
  const type = types.find(({ name }) => name === resource.resource);
  const named = parsed.data.pipeline;
  const pipeline = named === type?.pipeline?.name ? type?.pipeline : named ?? type?.pipeline;
  if (!pipeline) {
    throw new InputError(
      `body.pipeline: expected one, since resources of the type "${resource.resource}" have none of their own`,
    );
  }
  const spec = operation === "delete" ? {} : specFacts(type, resource.spec, secrets);
  return {
    ...run !== undefined && { run },
    resource: { ...resource, id: resource.id ?? randomUUID() },
    pipeline,
    operation,
    timeoutMs: timeout === undefined ? spec.timeoutMs ?? DEFAULT_TIMEOUT_MS : milliseconds(timeout),
    restarts: restarts ?? spec.restarts ?? 0,
    secrets,
  };
}

/** Returns the submission with the stored pipeline that it names. Throws InputError if there is none. */
export async function withStoredPipeline(
  { pipeline, ...requested }: Requested,
  { pipelines }: Pick<Store, "pipelines">,
): Promise<Submission> {
  if (typeof pipeline !== "string") return { ...requested, pipeline };
  const stored = await pipelines.get(pipeline);
  if (stored) return { ...requested, pipeline: stored.value };
  throw new InputError(
    `body.pipeline: No pipeline "${pipeline}" is stored here: expected the name of one, or its steps`,
  );
}

/** Returns a submission that repeats a run. Throws as `submissionOf` does. */
export function resubmissionOf(run: Run, text: string, types: readonly ResourceType[]): Submission {
  const input = text.trim() === "" ? {} : parse(text);
  const parsed = RetryBody.safeParse(input);
  if (!parsed.success) throw new InputError(describeIssues(parsed.error, withoutSecrets(input), "body"));
  const { secrets, run: id } = parsed.data;
  const { resource, pipeline, operation, timeoutMs } = run;
  const type = types.find(({ name }) => name === resource.resource);
  const { restarts = 0 } = operation === "delete" ? {} : specFacts(type, resource.spec, secrets);
  return {
    ...id !== undefined && { run: id },
    resource,
    pipeline,
    operation: OPERATIONS.find((known) => known === operation) ?? "create",
    timeoutMs,
    restarts,
    secrets,
    retryOf: run.id,
  };
}

/** Returns what a spec of this type says about its run. Rejects an invalid spec before anything runs. */
function specFacts(
  type: ResourceType | undefined,
  spec: unknown,
  secrets: Readonly<Record<string, string>>,
): SpecFacts {
  if (!type?.spec) return {};
  const parsed = type.spec.safeParse(spec);
  if (!parsed.success) throw new InputError(describeIssues(parsed.error, spec, "body.resource.spec"));
  const facts = type.followsFrom?.(parsed.data) ?? {};
  const missing = (facts.secrets ?? []).filter((name) => !Object.hasOwn(secrets, name));
  if (missing.length > 0) {
    throw new InputError(
      missing.map((name) => `body.secrets: expected a value for "${name}", which the spec names`).join("\n"),
    );
  }
  return facts;
}

function milliseconds(timeout: number | string): number {
  if (typeof timeout === "number") return timeout;
  try {
    return parseDuration(timeout);
  } catch (cause) {
    throw new InputError(`body.timeout: ${messageOf(cause)}`, { cause });
  }
}

function parse(text: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    if (error instanceof NestingError) throw new InputError(`The body cannot be read: ${error.message}`);
    // The parser's message may quote a secret.
    throw new InputError("The body is no JSON: expected an object with a resource");
  }
}

const withoutSecrets = (input: unknown): unknown =>
  typeof input === "object" && input !== null && "secrets" in input ? { ...input, secrets: "…" } : input;
