import { Retryable } from "../base/errors.ts";

/** Returns the error for a failed or broken connection to the daemon. */
export function unreachable(endpoint: string, cause: unknown): Retryable {
  return new Retryable(`Cannot reach Docker at ${endpoint}`, { reason: "docker-unreachable", cause });
}
