import { Buffer } from "node:buffer";
import { rereadNamedFile } from "../../base/named-files.ts";
import type { Clock } from "../../base/clock.ts";
import { sendRequest } from "../../base/http.ts";
import { abortable } from "../../base/signals.ts";
import { authorization, type Credentials } from "./authorization.ts";
import { withoutTrailing } from "../../base/text.ts";

/** A control plane's API, and our credentials for it. */
export interface Api {
  /** `http://host:port`, with a path if it has one. */
  readonly api: string;
  readonly credentials: Credentials;
}

export interface AskOptions {
  readonly method: "GET" | "POST";
  readonly path: string;
  /** The body of a POST, sent as JSON. */
  readonly value?: unknown;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** The most bytes of an answer that are kept (default 4096). */
  readonly mostBytes?: number;
}

const MOST_BYTES = 4096;

/**
 * Sends a request and returns the status and the start of the body, whatever the status. Follows no
 * redirects. Throws `signal.reason`.
 */
export async function askApi(
  { api, credentials }: Api,
  { method, path, value, signal, clock, mostBytes = MOST_BYTES }: AskOptions,
): Promise<{ status: number; text: string }> {
  const url = new URL(`${withoutTrailing(api, "/")}${path}`);
  const authorized = await authorization(credentials, clock);
  const ca = credentials.tlsCa === undefined ? undefined : await rereadNamedFile(credentials.tlsCa);
  const body = value === undefined ? undefined : Buffer.from(JSON.stringify(value));
  const headers = { ...body && { "content-type": "application/json" }, ...authorized };
  const asked = async () => {
    const answer = await sendRequest(url, { method, headers, body, ca, signal });
    return { status: answer.statusCode ?? 0, text: await beginningOf(answer, mostBytes) };
  };
  return await abortable(asked(), signal);
}

/** Reads a whole body and keeps its first bytes. */
async function beginningOf(body: AsyncIterable<Uint8Array>, mostBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    if (size < mostBytes) chunks.push(chunk);
    size += chunk.length;
  }
  return Buffer.concat(chunks).subarray(0, mostBytes).toString("utf8");
}
