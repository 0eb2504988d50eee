import { Buffer } from "node:buffer";
import { z } from "zod";
import { HEADER_ROOM_BYTES, MAX_MESSAGE_BYTES } from "../../backend/transport.ts";
import { InputError } from "../../base/errors.ts";
import { isRunId } from "../../wire/ids.ts";
import { describeIssues, parseForeign } from "../../wire/issues.ts";
import { Pipeline, RESOURCE_FIELDS, token } from "../../wire/resource.ts";
import { addresseeOfSecret } from "../../wire/secrets.ts";
import type { Submission } from "./submission.ts";
import { refuseOpenSecrets } from "./open-secrets.ts";

/**
 * The most bytes of a spec. A resource is sent as JSON text within JSON, which can double its size; a message
 * has room for 1 MiB.
 */
const MAX_SPEC_BYTES = 256 * 1024;
const MAX_METADATA_BYTES = 64 * 1024;
/** The most bytes of a resource without spec and metadata, and of all secrets together. */
const MAX_OTHER_BYTES = 64 * 1024;
const MAX_STEPS = 100;
const MAX_RESTARTS = 10;
/** The longest time that a timer can wait. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;
const MAX_NAME = 256;
// deno-lint-ignore no-control-regex
const CONTROL = /[\u0000-\u001f\u007f]/;

/** The name of a resource or pipeline. */
export const name = z.string()
  .min(1, "expected a name")
  .max(MAX_NAME, `expected ${MAX_NAME} characters at most`)
  .refine(
    (text) => text.isWellFormed() && !CONTROL.test(text),
    "expected a name without control characters",
  );

/** The name of what has a path of its own in the API. */
export const pathName = name.refine(
  (text) => text !== "." && text !== "..",
  'expected a name other than "." and "..", which no URL can hold',
);

/** A pipeline that can run. */
export const CheckedPipeline = Pipeline.extend({
  name,
  steps: Pipeline.shape.steps
    .min(1, "expected at least one step")
    .max(MAX_STEPS, `expected ${MAX_STEPS} steps at most`)
    .superRefine((steps, { addIssue }) => {
      const ids = steps.map(({ id }) => id);
      for (const [i, id] of ids.entries()) {
        if (ids.indexOf(id) === i) continue;
        addIssue({ code: "custom", path: [i, "id"], message: "expected an id of its own for each step" });
      }
    }),
});

const Checked = z.object({
  run: z.string().refine(isRunId, "expected a UUID").optional(),
  resource: z.looseObject({ ...RESOURCE_FIELDS, name, resource: token }),
  pipeline: z.union([CheckedPipeline, z.object({ name: z.literal(""), steps: z.tuple([]) })]),
  operation: z.enum(["create", "update", "delete"]),
  timeoutMs: z.number().positive().max(MAX_TIMEOUT_MS),
  restarts: z.int().min(0).max(MAX_RESTARTS),
  secrets: z.record(z.string().min(1), z.string()),
});

/** A part of a submission is too large. */
export class TooLargeError extends InputError {}

/** Throws InputError, one line per problem, if the submission is invalid. */
export function checkSubmission(submission: Submission, maxMessageBytes = MAX_MESSAGE_BYTES): void {
  const parsed = parseForeign(Checked, submission);
  if (!parsed.success) {
    throw new InputError(describeIssues(parsed.error, withoutSecrets(submission), "submission"));
  }
  const { resource, pipeline, secrets } = submission;
  const { spec, metadata, ...others } = resource;
  checkSpecSize(spec, submission.specText);
  checkSize("resource.metadata", metadata, MAX_METADATA_BYTES);
  checkSize("resource", others, MAX_OTHER_BYTES);
  // A step gets all secrets in one message, the reply to its claim.
  checkSize("secrets", secrets, Math.min(MAX_OTHER_BYTES, maxMessageBytes - HEADER_ROOM_BYTES));
  refuseOpenSecrets(resource, secrets);
  for (const name of Object.keys(secrets)) {
    const driver = addresseeOfSecret(name);
    if (driver === undefined || pipeline.steps.some((step) => step.driver === driver)) continue;
    throw new InputError(
      `submission.secrets: "${name}" is for the driver "${driver}", which has no step in the pipeline "${pipeline.name}"`,
    );
  }
  if (pipeline.resource !== resource.resource) {
    throw new InputError(
      `Pipeline "${pipeline.name}" is for resources of the type "${pipeline.resource}": got "${resource.resource}"`,
    );
  }
}

/** Throws TooLargeError if a spec, or the text that is sent for it, is too large. */
export function checkSpecSize(spec: unknown, specText?: string): void {
  checkSize("resource.spec", spec, MAX_SPEC_BYTES, specText);
}

function checkSize(what: string, value: unknown, most: number, text = textOf(what, value)): void {
  const bytes = Buffer.byteLength(text);
  if (bytes <= most) return;
  throw new TooLargeError(`submission.${what}: has ${bytes} bytes as JSON, expected ${most} at most`);
}

function textOf(what: string, value: unknown): string {
  try {
    return JSON.stringify(value) ?? "";
  } catch (cause) {
    throw new InputError(`submission.${what}: cannot be written as JSON`, { cause });
  }
}

/** Errors quote invalid values, so secrets are replaced. */
function withoutSecrets(submission: Submission): unknown {
  return typeof submission === "object" && submission !== null ? { ...submission, secrets: "…" } : submission;
}
