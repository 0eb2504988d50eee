import type { IncomingMessage } from "node:http";
import { systemClock } from "../../../base/clock.ts";
import { InputError, messageOf, UnavailableError } from "../../../base/errors.ts";
import { sendRequest } from "../../../base/http.ts";
import { parseJson } from "../../../base/json.ts";
import { isProof, PROOF_HEADER, sealRequest } from "../../../wire/sealed-request.ts";

/** The control plane is unreachable or reports that it is unavailable. A retry may help. */
export class ApiAwayError extends UnavailableError {
  /** Whether an established connection broke: the request may have been processed. */
  readonly isCutOff: boolean;

  constructor(message: string, { isCutOff = false, ...options }: ErrorOptions & { isCutOff?: boolean } = {}) {
    super(message, {
      hint: 'Start a control plane with "flutter-ci up", or say where it is with --api',
      ...options,
    });
    this.isCutOff = isCutOff;
  }
}

/** The object to create already exists. */
export class ExistsError extends UnavailableError {}

/** The control plane does not have what the request names. */
export class MissingError extends InputError {}

/** Sends a request and returns the response's body as a stream. Throws as `call` does. */
export type Caller = (call: Call) => Promise<AsyncIterable<Uint8Array>>;

export interface Api {
  /** URL without a trailing slash. */
  readonly url: string;
  readonly token: string;
  /**
   * Whether requests are sealed with the token. The token itself is not sent, and answers must prove that
   * their sender knows it.
   */
  readonly isSealed?: boolean;
  /** PEM text of the authorities to trust; the system's if undefined. */
  readonly ca?: string | undefined;
}

export interface Call {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly body?: unknown;
  /** The body as JSON text, instead of `body`. */
  readonly text?: string;
  readonly signal?: AbortSignal;
}

/**
 * A control plane sends something every ten seconds. After this much silence it counts as gone, milliseconds.
 */
const SILENCE_MS = 30_000;
/** Error codes of an established connection. */
const CUT_OFF: readonly unknown[] = ["ECONNRESET", "EPIPE"];
/** Most characters read of an error response. */
const MOST_CHARS = 4096;

/**
 * Calls the control plane and returns the response's body as a stream. Throws `ApiAwayError` (also while the
 * body is read), `InputError` if the request is refused as invalid, `ExistsError`, `UnavailableError` for
 * other refusals, and `signal.reason`.
 */
export async function call(api: Api, call: Call): Promise<AsyncIterable<Uint8Array>> {
  return bytesOf(await accepted(api, call), api, call.signal);
}

/** As `call`, and returns the body, a JSON text or an empty one, and one header. */
export async function exchange(
  api: Api,
  call: Call,
  header: string,
): Promise<{ readonly text: string; readonly header: string | undefined }> {
  const answer = await accepted(api, call);
  const bytes = Buffer.concat(await Array.fromAsync(bytesOf(answer, api, call.signal)));
  const found = answer.headers[header.toLowerCase()];
  return {
    text: bytes.toString(),
    header: typeof found === "string" ? found : undefined,
  };
}

/** Returns the answer to a request that was accepted. Throws as `call`. */
async function accepted(api: Api, call: Call): Promise<IncomingMessage> {
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
  if (status >= 200 && status < 300) return answer;
  throw refusal(
    status,
    await errorIn(bytesOf(answer, api, call.signal)),
    `The control plane at "${api.url}"`,
  );
}

/** Returns the error for a response with this status. */
export function refusal(status: number, message: string, who: string): Error {
  if (status === 404) return new MissingError(message);
  if (status === 400 || status === 413) return new InputError(message);
  if (status === 409) return new ExistsError(message);
  if (status === 401) {
    return new UnavailableError(`${who} does not accept the token`, {
      hint: "Give the token of its data folder with --token-file or CONVEYOR_TOKEN",
    });
  }
  if (status >= 500) return new ApiAwayError(`${who} says: ${message}`);
  return new UnavailableError(`${who} refuses (${status}): ${message}`);
}

/** Reads a whole body and parses it as JSON. */
export async function json(body: AsyncIterable<Uint8Array>): Promise<unknown> {
  return parseJson(Buffer.concat(await Array.fromAsync(body)).toString());
}

interface Answer {
  readonly answer: IncomingMessage;
  /** False if a required proof of knowing the token is missing or wrong. */
  readonly isProved: boolean;
}

async function send(api: Api, { method, path, body, text: given, signal }: Call): Promise<Answer> {
  const text = given ?? (body === undefined ? undefined : JSON.stringify(body));
  const plain = Buffer.from(text ?? "");
  // As the control plane sees it: a "?" with nothing behind it does not arrive.
  const { pathname, search } = new URL(path, "http://localhost");
  const sealed = api.isSealed
    ? sealRequest(api.token, { method, path: `${pathname}${search}`, body: plain, now: systemClock() })
    : undefined;
  const headers = {
    Authorization: sealed?.authorization ?? `Bearer ${api.token}`,
    ...text !== undefined && { "Content-Type": sealed ? "application/octet-stream" : "application/json" },
  };
  try {
    const answer = await sendRequest(new URL(`${api.url}${path}`), {
      method,
      headers,
      body: text === undefined ? undefined : sealed?.body ?? plain,
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

/** Returns the message in the body of an error response. */
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
    // Not our JSON: a proxy's page.
  }
  return text.slice(0, 200).trim() || "nothing";
}

function away({ url }: Api, cause: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return signal.reason;
  const why = messageOf(cause) || "no connection";
  const isCutOff = cause instanceof Error && "code" in cause && CUT_OFF.includes(cause.code);
  return new ApiAwayError(`Cannot reach the control plane at "${url}": ${why}`, { cause, isCutOff });
}
