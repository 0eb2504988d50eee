import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { z } from "zod";
import { InputError, messageOf, Retryable } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { ConflictError } from "../../backend/store.ts";
import { TooLargeError } from "../core/validate.ts";

/** Error codes that clients can rely on, independent of the message. Codes are added, never changed. */
const PROBLEM_CODES = {
  400: "invalid-request",
  401: "unauthorized",
  403: "forbidden",
  404: "not-found",
  405: "method-not-allowed",
  409: "conflict",
  413: "too-large",
  415: "unsupported-media-type",
  416: "range-not-satisfiable",
  421: "wrong-host",
  429: "too-many",
  500: "defect",
  503: "unavailable",
} as const;
export type ProblemStatus = keyof typeof PROBLEM_CODES;

/** The body of every error response. */
export const ErrorBody = z.object({
  error: z.string().describe("What is wrong, for people"),
  code: z.enum(Object.values(PROBLEM_CODES) as [string, ...string[]]).describe("What is wrong, for programs"),
  request: z.string().describe("The request's id, as in the header X-Request-Id and in the server's own log"),
});

/** An error that is answered with its HTTP status. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly status: ProblemStatus;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: ProblemStatus, message: string, headers: Record<string, string> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

export const REQUEST_ID = "X-Request-Id";

/** Returns the response to a request whose handler threw. */
export function errorAnswer(error: unknown, context: Context): Response {
  const request = String(context.get("request") ?? "");
  const { status, message, headers } = problemOf(error, request);
  for (const [name, value] of Object.entries(headers)) context.header(name, value);
  return context.json(
    { error: message, code: PROBLEM_CODES[status], request },
    status as ContentfulStatusCode,
  );
}

/** Details of an internal error go to the process log only. */
function problemOf(error: unknown, request: string): Pick<Problem, "status" | "message" | "headers"> {
  if (error instanceof Problem) return error;
  const message = messageOf(error);
  const headers = {};
  if (error instanceof TooLargeError) return { status: 413, message, headers };
  if (error instanceof InputError) return { status: 400, message, headers };
  if (error instanceof ConflictError) return { status: 409, message, headers };
  if (error instanceof Retryable) return { status: 503, message, headers: { "Retry-After": "1" } };
  processLog("http").error("Cannot answer request {request}: {error}", { request, error });
  const text = "This is a defect of the control plane; its own log says more";
  return { status: 500, message: text, headers };
}
