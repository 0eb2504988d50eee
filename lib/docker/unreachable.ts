import { Retryable } from "../base/errors.ts";

/** The connection to the daemon failed or broke; `cause` says how. */
export function unreachable(endpoint: string, cause: unknown): Retryable {
  return new Retryable(`Cannot reach Docker at ${endpoint}`, { reason: "docker-unreachable", cause });
}
