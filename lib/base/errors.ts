/**
 * The four ways in which something can go wrong here. Everything else that is thrown is a defect of ours.
 *
 * Facts are fields; the text is for people and nothing is parsed back out of it.
 */

/** Input that is refused before anything has been started: exit code 2. Names the value and says what was expected. */
export class InputError extends Error {
  override readonly name = "InputError";
}

/** The surroundings do not let us work (no Docker, no broker, no API): exit code 3. */
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
 * The machinery failed, not the step (daemon away, connection lost). The event goes back with a delay and is tried again.
 * Thrown by the docker and transport layers only.
 */
export class Retryable extends Error {
  override readonly name = "Retryable";
  /** The word that stands in the result when the tries are used up. */
  readonly reason: string;

  constructor(message: string, options: ErrorOptions & { reason: string }) {
    super(message, options);
    this.reason = options.reason;
  }
}

/** A step failed for a reason that can be named: becomes a failed DriverResult and is never tried again. */
export class StepFailure extends Error {
  override readonly name = "StepFailure";
  /** A word of the closed set in `wire/reasons.ts`. */
  readonly reason: string;
  /** Facts for the result's `data`, beside the reason. */
  readonly data: Readonly<Record<string, unknown>>;

  constructor(message: string, options: ErrorOptions & { reason: string; data?: Record<string, unknown> }) {
    super(message, options);
    this.reason = options.reason;
    this.data = options.data ?? {};
  }
}

/** Also for a failure of another copy of this package: a driver that is loaded from a file has its own. */
export const isStepFailure = (thrown: unknown): thrown is StepFailure => isNamed(thrown, "StepFailure");
export const isRetryable = (thrown: unknown): thrown is Retryable => isNamed(thrown, "Retryable");

const isNamed = (thrown: unknown, name: string): boolean =>
  thrown instanceof Error && thrown.name === name && "reason" in thrown && typeof thrown.reason === "string";

/** The text of anything that was thrown, with its causes: `Cannot start container: connect ENOENT /var/run/docker.sock`. */
export function messageOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const own = thrown.message === "" ? thrown.name : thrown.message;
  const { cause } = thrown;
  if (cause === undefined) return own;
  const below = messageOf(cause);
  const first = cause instanceof Error ? cause.message : "";
  // Whoever caught it may have said the cause already: then only what lies below that is new.
  if (first !== "" && own.endsWith(first) && below.startsWith(first)) return own + below.slice(first.length);
  return own.includes(below) ? own : `${own}: ${below}`;
}
