import type { IncomingMessage } from "node:http";
import { systemClock } from "../../../base/clock.ts";
import { InputError, messageOf, UnavailableError } from "../../../base/errors.ts";
import { sendRequest } from "../../../base/http.ts";
import { parseJson } from "../../../base/json.ts";
import { isProof, PROOF_HEADER, sealRequest } from "../../../wire/sealed-request.ts";

/** The control plane cannot be reached just now, or says so itself: trying again may help. */
export class ApiAwayError extends UnavailableError {
  /** The connection broke once it was made: what was called for may have been done all the same. */
  readonly isCutOff: boolean;

  constructor(message: string, { isCutOff = false, ...options }: ErrorOptions & { isCutOff?: boolean } = {}) {
    super(message, {
      hint: 'Start a control plane with "flutter-ci up", or say where it is with --api',
      ...options,
    });
    this.isCutOff = isCutOff;
  }
}

/** What is to be made is there already. */
export class ExistsError extends UnavailableError {}

/** Answers a request's body, as it comes. Throws as `call` does. */
export type Caller = (call: Call) => Promise<AsyncIterable<Uint8Array>>;

export interface Api {
  /** Without a slash at its end. */
  readonly url: string;
  readonly token: string;
  /** Requests are sealed with the token, which does not travel, and answers must prove that they come from who knows it. */
  readonly isSealed?: boolean;
  /** PEM text of the authorities to trust; the system's without. */
  readonly ca?: string | undefined;
}

export interface Call {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

/** A control plane says something every ten seconds; one that is silent for this long is taken for gone. */
const SILENCE_MS = 30_000;
/** Codes of errors of a connection that was made. */
const CUT_OFF: readonly unknown[] = ["ECONNRESET", "EPIPE"];
/** What is shown of an error's text. */
const MOST_CHARS = 4096;

/**
 * Calls the control plane and answers the body of its answer, as it comes. Throws `ApiAwayError`, also in the middle of the
 * body; `InputError` for what it refuses of the request, `ExistsError`, `UnavailableError` for other refusals, `signal.reason`.
 */
export async function call(api: Api, call: Call): Promise<AsyncIterable<Uint8Array>> {
  const { answer, isProved } = await send(api, call);
  const status = answer.statusCode ?? 0;
  if (!isProved && status < 500) {
    answer.destroy();
    throw new UnavailableError(
      `The control plane at "${api.url}" does not accept the token, or something else answers there`,
      {
        hint: "It was told neither the token nor anything of the request. " +
          "Give the control plane's own token with --token-file or CONVEYOR_TOKEN, or its address with --api",
      },
    );
  }
  if (status >= 200 && status < 300) return bytesOf(answer, api, call.signal);
  throw refusal(
    status,
    await errorIn(bytesOf(answer, api, call.signal)),
    `The control plane at "${api.url}"`,
  );
}

/** The error for an answer of this status. */
export function refusal(status: number, message: string, who: string): Error {
  if (status === 400 || status === 413 || status === 404) return new InputError(message);
  if (status === 409) return new ExistsError(message);
  if (status === 401) {
    return new UnavailableError(`${who} does not accept the token`, {
      hint: "Give the token of its data folder with --token-file or CONVEYOR_TOKEN",
    });
  }
  if (status >= 500) return new ApiAwayError(`${who} says: ${message}`);
  return new UnavailableError(`${who} refuses (${status}): ${message}`);
}

/** The whole of a body that is JSON. */
export async function json(body: AsyncIterable<Uint8Array>): Promise<unknown> {
  return parseJson(Buffer.concat(await Array.fromAsync(body)).toString());
}

interface Answer {
  readonly answer: IncomingMessage;
  /** False where it should prove that it knows the token, and does not. */
  readonly isProved: boolean;
}

async function send(api: Api, { method, path, body, signal }: Call): Promise<Answer> {
  const plain = Buffer.from(body === undefined ? "" : JSON.stringify(body));
  const sealed = api.isSealed
    ? sealRequest(api.token, { method, path, body: plain, now: systemClock() })
    : undefined;
  const headers = {
    Authorization: sealed?.authorization ?? `Bearer ${api.token}`,
    ...body !== undefined && { "Content-Type": sealed ? "application/octet-stream" : "application/json" },
  };
  try {
    const answer = await sendRequest(new URL(`${api.url}${path}`), {
      method,
      headers,
      body: body === undefined ? undefined : sealed?.body ?? plain,
      ca: api.ca,
      signal,
      silenceMs: SILENCE_MS,
    });
    const proof = sealed?.proof(answer.statusCode ?? 0);
    const isProved = proof === undefined || isProof(answer.headers[PROOF_HEADER.toLowerCase()], proof);
    return { answer, isProved };
  } catch (cause) {
    throw away(api, cause, signal);
  }
}

async function* bytesOf(
  answer: IncomingMessage,
  api: Api,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of answer) yield chunk;
  } catch (cause) {
    throw away(api, cause, signal);
  }
}

/** What the body of an answer says that is an error. */
export async function errorIn(body: AsyncIterable<Uint8Array>): Promise<string> {
  let text = "";
  for await (const chunk of body) {
    text += Buffer.from(chunk).toString();
    if (text.length > MOST_CHARS) break;
  }
  try {
    const { error } = parseJson(text) as { error?: unknown };
    if (typeof error === "string") return error;
  } catch {
    // Not one of ours: a proxy's page.
  }
  return text.slice(0, 200).trim() || "nothing";
}

function away({ url }: Api, cause: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return signal.reason;
  const why = messageOf(cause) || "no connection";
  const isCutOff = cause instanceof Error && "code" in cause && CUT_OFF.includes(cause.code);
  return new ApiAwayError(`Cannot reach the control plane at "${url}": ${why}`, { cause, isCutOff });
}
