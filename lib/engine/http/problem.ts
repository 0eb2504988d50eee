import type { ContentfulStatusCode } from "hono/utils/http-status";
import { InputError, messageOf, Retryable } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { ConflictError } from "../../backend/store.ts";
import { TooLargeError } from "../core/validate.ts";

/** A request that is answered with an error: `{"error": message}`. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly status: ContentfulStatusCode;

  constructor(status: ContentfulStatusCode, message: string) {
    super(message);
    this.status = status;
  }
}

/** The answer to a request whose handling threw. A defect of ours is told in the process log only. */
export function problemOf(error: unknown): { status: ContentfulStatusCode; message: string } {
  if (error instanceof Problem) return { status: error.status, message: error.message };
  const message = messageOf(error);
  if (error instanceof TooLargeError) return { status: 413, message };
  if (error instanceof InputError) return { status: 400, message };
  if (error instanceof ConflictError) return { status: 409, message };
  if (error instanceof Retryable) return { status: 503, message };
  processLog("http").error("Cannot answer a request: {error}", { error });
  return { status: 500, message: "This is a defect of the control plane; its own log says more" };
}
