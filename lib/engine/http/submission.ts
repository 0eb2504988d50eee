import { randomUUID } from "node:crypto";
import { z } from "zod";
import { InputError, messageOf } from "../../base/errors.ts";
import { parseDuration } from "../../base/units.ts";
import { describeIssues, parseForeign } from "../../wire/issues.ts";
import { Pipeline, RESOURCE_FIELDS } from "../../wire/resource.ts";
import type { SpecFacts } from "../core/resource-type.ts";
import type { Submission } from "../core/submission.ts";
import { checkSpecSize } from "../core/validate.ts";
import type { Catalog } from "../shell/catalog.ts";
import type { Run } from "../../wire/run.ts";
import { memberText, NestingError, parseJson } from "../../base/json.ts";
import { changedText } from "./json-body.ts";

const OPERATIONS = ["create", "update", "delete"] as const;

/** Timeout of a run if neither the request nor the spec sets one. */
export const DEFAULT_TIMEOUT_MS = 3_600_000;

/** The body of `POST /runs`. */
export const SubmissionBody = z.strictObject({
  /** A UUID chosen by the caller: two requests with the same one make one run. */
  run: z.string().optional(),
  resource: z.looseObject({ ...RESOURCE_FIELDS, id: z.string().optional() }),
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

/** Reads the body of `POST /runs`. Throws as `submissionOf`. */
export function readSubmission(text: string): z.infer<typeof SubmissionBody> {
  const input = parse(text);
  const parsed = parseForeign(SubmissionBody, input);
  if (!parsed.success) throw new InputError(describeIssues(parsed.error, withoutSecrets(input), "body"));
  return parsed.data;
}

/**
 * Returns the submission that a request's body describes. A resource without a pipeline gets the pipeline of
 * its type, or the one that it names. Throws InputError with one line per mistake; the lines contain
 * no secret values.
 */
export async function submissionOf(text: string, catalog: Catalog): Promise<Submission> {
  const { run, resource, operation, secrets, timeout, restarts, pipeline: given } = readSubmission(text);
  const type = resource.resource;
  const pipeline = typeof given === "string"
    ? await namedPipeline(catalog, given)
    : given ?? await catalog.defaultPipeline(type);
  if (!pipeline) {
    throw new InputError(
      `body.pipeline: expected one, since resources of the type "${type}" have none of their own`,
    );
  }
  const root = "body.resource.spec";
  const spec = operation === "delete"
    ? {}
    : await checkedFacts(catalog, { type, spec: resource.spec, secrets, root });
  return {
    ...run !== undefined && { run },
    resource: { ...resource, id: resource.id ?? randomUUID() },
    specText: changedText(memberText(text, "resource") ?? "{}", "spec", resource),
    pipeline,
    operation,
    timeoutMs: timeout === undefined ? spec.timeoutMs ?? DEFAULT_TIMEOUT_MS : milliseconds(timeout),
    restarts: restarts ?? spec.restarts ?? 0,
    secrets,
  };
}

async function namedPipeline(catalog: Catalog, name: string): Promise<Pipeline> {
  const found = await catalog.pipeline(name);
  if (found) return found;
  throw new InputError(
    `body.pipeline: No pipeline "${name}" is stored here: expected the name of one, or its steps`,
  );
}

/** Returns a submission that repeats a run. Throws as `submissionOf` does. */
export async function resubmissionOf(run: Run, text: string, catalog: Catalog): Promise<Submission> {
  const input = text.trim() === "" ? {} : parse(text);
  const parsed = parseForeign(RetryBody, input);
  if (!parsed.success) throw new InputError(describeIssues(parsed.error, withoutSecrets(input), "body"));
  const { secrets, run: id } = parsed.data;
  const { resource, specText, pipeline, operation, timeoutMs } = run;
  const { resource: type, spec } = resource;
  const { restarts = 0 } = operation === "delete"
    ? {}
    : await checkedFacts(catalog, { type, spec, secrets, root: "run.resource.spec" });
  return {
    ...id !== undefined && { run: id },
    resource,
    specText,
    pipeline,
    operation: OPERATIONS.find((known) => known === operation) ?? "create",
    timeoutMs,
    restarts,
    secrets,
    retryOf: run.id,
  };
}

/**
 * Returns what a spec says about its run. Throws InputError, before anything runs, if the spec is invalid or
 * names a secret without a value.
 */
export async function checkedFacts(
  catalog: Catalog,
  { type, spec, secrets, root }: {
    type: string;
    spec: unknown;
    secrets: Readonly<Record<string, string>>;
    root: string;
  },
): Promise<SpecFacts> {
  // Before the schema's check, whose time grows with the spec.
  checkSpecSize(spec);
  const facts = await catalog.checkSpec(type, spec, root);
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
    throw new InputError("The body is not JSON: expected an object with a resource");
  }
}

const withoutSecrets = (input: unknown): unknown =>
  typeof input === "object" && input !== null && "secrets" in input ? { ...input, secrets: "…" } : input;
