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

/** What a broker answers when it has no room: limits of the server, the account or the stream, or a failing disk. */
const NO_ROOM = new Set([10002, 10023, 10028, 10047, 10077]);
/** Answers to a stream that would take more than there is: of the server, the account, or any node of a cluster. */
const TOO_MUCH = new Set([10002, 10005, 10023, 10028, 10047, 10122]);
/** What answers the creation of a stream that exists with another configuration. */
export const NAME_IN_USE = 10058;
/** What answers the creation of a stream while the server still removes the folder of an account that had none left. */
export const NO_STORE = 10049;
const FILTERS_OVERLAP = new Set([10136, 10138]);

/** What JetStream answers to a message that it was to store. Throws JetStreamApiError where it says no. */
export function storedAt(answer: Msg): { seq: number; duplicate: boolean } {
  const { error, seq, duplicate = false } = answer.json<
    { seq: number; duplicate?: boolean; error?: ConstructorParameters<typeof JetStreamApiError>[0] }
  >();
  if (error) throw new JetStreamApiError(error);
  return { seq, duplicate };
}

/** The error as the Transport contract wants it: `InputError` for what can never work, else `Retryable`. `what` goes on after "Cannot". */
export function inOurWords(what: string, cause: unknown): Error {
  if (isClosing(cause)) return new DisposedError();
  for (const kind of OURS) if (cause instanceof kind) return cause;
  const message = `Cannot ${what}`;
  const refused = cause instanceof InvalidArgumentError || cause instanceof InvalidSubjectError;
  if (refused || FILTERS_OVERLAP.has(apiCode(cause))) return new InputError(message, { cause });
  const reason = NO_ROOM.has(apiCode(cause)) ? "disk-full" : "transport-unreachable";
  return new Retryable(message, { cause, reason });
}

/** A call on a transport that is not there any more: a defect of the caller. */
export class DisposedError extends Error {
  override readonly name = "DisposedError";

  constructor() {
    super("The transport is disposed");
  }
}

/** Errors that are in our words already, and defects, which trying again does not mend. */
const OURS = [InputError, Retryable, UnavailableError, DisposedError, TypeError, ReferenceError, RangeError];

/** True where the connection has been closed, or is about to be. */
export const isClosing = (error: unknown): boolean =>
  error instanceof ClosedConnectionError || error instanceof DrainingConnectionError;

/** The code of an answer of JetStream that says no; 0 for any other error. */
export function apiCode(error: unknown): number {
  return error instanceof JetStreamApiError ? error.code : 0;
}

/** True where a stream cannot be made because it would take more storage than there is. */
export const isTooMuch = (error: unknown): boolean => TOO_MUCH.has(apiCode(error));

export const isStreamMissing = (error: unknown): boolean =>
  apiCode(error) === JetStreamApiCodes.StreamNotFound;

export const isConsumerMissing = (error: unknown): boolean =>
  apiCode(error) === JetStreamApiCodes.ConsumerNotFound;

/** True where nobody listened on the subject: the broker says so at once. */
export function isUnanswered(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof NoRespondersError) return true;
  }
  return false;
}
