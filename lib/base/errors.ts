/**
 * The four expected kinds of failure. Anything else that is thrown is a bug of ours.
 *
 * Facts are fields; the message is for people and is never parsed.
 */

/**
 * Input that is refused before anything is started: exit code 2. The message names the value and what was
 * expected.
 */
export class InputError extends Error {
  override readonly name = "InputError";
}

/** The environment is not usable (no Docker, no broker, no API): exit code 3. */
export class UnavailableError extends Error {
  override readonly name = "UnavailableError";
  /** What the reader can do about it, one sentence. */
  readonly hint: string | undefined;

  constructor(message: string, options: ErrorOptions & { hint?: string } = {}) {
    super(message, options);
    this.hint = options.hint;
  }
}

/**
 * The infrastructure failed, not the step (daemon away, connection lost). The event is returned with a delay
 * and retried. Thrown by the docker and transport layers only.
 */
export class Retryable extends Error {
  override readonly name = "Retryable";
  /** The reason in the result once the tries are used up. */
  readonly reason: string;

  constructor(message: string, options: ErrorOptions & { reason: string }) {
    super(message, options);
    this.reason = options.reason;
  }
}

/** A step failed for a known reason: becomes a failed DriverResult and is never retried. */
export class StepFailure extends Error {
  override readonly name = "StepFailure";
  /** One of the closed set in `wire/reasons.ts`. */
  readonly reason: string;
  /** Further facts for the result's `data`. */
  readonly data: Readonly<Record<string, unknown>>;

  constructor(message: string, options: ErrorOptions & { reason: string; data?: Record<string, unknown> }) {
    super(message, options);
    this.reason = options.reason;
    this.data = options.data ?? {};
  }
}

/** True also for errors of another copy of this package: a driver loaded from a file has its own. */
export const isStepFailure = (thrown: unknown): thrown is StepFailure => isNamed(thrown, "StepFailure");
export const isRetryable = (thrown: unknown): thrown is Retryable => isNamed(thrown, "Retryable");

const isNamed = (thrown: unknown, name: string): boolean =>
  thrown instanceof Error && thrown.name === name && "reason" in thrown && typeof thrown.reason === "string";

/**
 * Returns the message of anything thrown, with its causes:
 * `Cannot start container: connect ENOENT /var/run/docker.sock`.
 */
export function messageOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const own = thrown.message === "" ? thrown.name : thrown.message;
  const { cause } = thrown;
  if (cause === undefined) return own;
  const below = messageOf(cause);
  const first = cause instanceof Error ? cause.message : "";
  // The message may already contain the cause: then add only what is below the cause.
  if (first !== "" && own.endsWith(first) && below.startsWith(first)) return own + below.slice(first.length);
  return own.includes(below) ? own : `${own}: ${below}`;
}
