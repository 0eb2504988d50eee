import {
  ClosedConnectionError,
  DrainingConnectionError,
  InvalidArgumentError,
  InvalidSubjectError,
  type Msg,
  NoRespondersError,
} from "@nats-io/transport-node";
import { JetStreamApiCodes, JetStreamApiError } from "@nats-io/jetstream";
import { InputError, Retryable, UnavailableError } from "../../base/errors.ts";
import { deniedIn } from "./denied.ts";

/** Error codes for lack of room: limits of the server, the account or the stream, or a failing disk. */
const NO_ROOM = new Set([10002, 10023, 10028, 10047, 10077]);
/**
 * Error codes for a stream that needs more storage than the server, the account or any node of a cluster has.
 */
const TOO_MUCH = new Set([10002, 10005, 10023, 10028, 10047, 10122]);
/** Error code for creating a stream that exists with another configuration. */
export const NAME_IN_USE = 10058;
/**
 * Error code for creating a stream while the server still removes the folder of an account whose last stream
 * was deleted.
 */
export const NO_STORE = 10049;
const FILTERS_OVERLAP = new Set([10136, 10138]);

/** Reads JetStream's answer to a published message. Throws `JetStreamApiError` if the message was refused. */
export function storedAt(answer: Msg): { seq: number; duplicate: boolean } {
  const { error, seq, duplicate = false } = answer.json<
    { seq: number; duplicate?: boolean; error?: ConstructorParameters<typeof JetStreamApiError>[0] }
  >();
  if (error) throw new JetStreamApiError(error);
  return { seq, duplicate };
}

/**
 * Translates an error for the Transport contract: `InputError` for a call that can never work, else
 * `Retryable`. `what` completes "Cannot …".
 */
export function inOurWords(what: string, cause: unknown): Error {
  if (isClosing(cause)) return new DisposedError();
  for (const kind of OURS) if (cause instanceof kind) return cause;
  const message = `Cannot ${what}`;
  const refused = cause instanceof InvalidArgumentError || cause instanceof InvalidSubjectError;
  if (refused || FILTERS_OVERLAP.has(apiCode(cause))) return new InputError(message, { cause });
  const reason = NO_ROOM.has(apiCode(cause)) ? "disk-full" : "transport-unreachable";
  const denied = deniedIn(cause);
  return new Retryable(message, { cause: denied === undefined ? cause : new Error(denied), reason });
}

/** A call on a disposed transport: a bug of the caller. */
export class DisposedError extends Error {
  override readonly name = "DisposedError";

  constructor() {
    super("The transport is disposed");
  }
}

/** Errors that need no translation, and bugs, which a retry does not fix. */
const OURS = [InputError, Retryable, UnavailableError, DisposedError, TypeError, ReferenceError, RangeError];

/** True if the connection is closed or closing. */
export const isClosing = (error: unknown): boolean =>
  error instanceof ClosedConnectionError || error instanceof DrainingConnectionError;

/** Returns JetStream's error code; 0 for any other error. */
export function apiCode(error: unknown): number {
  return error instanceof JetStreamApiError ? error.code : 0;
}

/** True if a stream cannot be created for lack of storage. */
export const isTooMuch = (error: unknown): boolean => TOO_MUCH.has(apiCode(error));

export const isStreamMissing = (error: unknown): boolean =>
  apiCode(error) === JetStreamApiCodes.StreamNotFound;

export const isConsumerMissing = (error: unknown): boolean =>
  apiCode(error) === JetStreamApiCodes.ConsumerNotFound;

/** True if the broker reported that nothing listens on the subject. */
export function isUnanswered(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof NoRespondersError) return true;
  }
  return false;
}
