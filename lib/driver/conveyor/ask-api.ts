import { Buffer } from "node:buffer";
import { rereadNamedFile } from "../../base/named-files.ts";
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import type { Clock } from "../../base/clock.ts";
import { abortable } from "../../base/signals.ts";
import { authorization, type Credentials } from "./authorization.ts";
import { withoutTrailing } from "../../base/text.ts";

/** A control plane's API, and how we show it who we are. */
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
  /** So much of an answer is read. */
  readonly mostBytes?: number;
}

const MOST_BYTES = 4096;

/** Asks and answers the status and the beginning of the body, whatever they say. Follows no redirect. Throws `signal.reason`. */
export async function askApi(
  { api, credentials }: Api,
  { method, path, value, signal, clock, mostBytes = MOST_BYTES }: AskOptions,
): Promise<{ status: number; text: string }> {
  const url = new URL(`${withoutTrailing(api, "/")}${path}`);
  const authorized = await authorization(credentials, clock);
  const ca = credentials.tlsCa === undefined ? undefined : await rereadNamedFile(credentials.tlsCa);
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const body = value === undefined ? undefined : Buffer.from(JSON.stringify(value));
  const options = {
    method,
    // A connection of its own: nobody is going to use it again soon.
    agent: false,
    headers: {
      ...body && { "content-type": "application/json", "content-length": String(body.length) },
      ...authorized,
    },
    signal,
    ...ca !== undefined && { ca },
  } as const;
  const request = url.protocol === "https:" ? requestHttps(url, options) : requestHttp(url, options);
  request.once("error", reject);
  request.once("response", (response) => {
    const chunks: Buffer[] = [];
    let size = 0;
    response.on("data", (chunk: Buffer) => {
      if (size < mostBytes) chunks.push(chunk);
      size += chunk.length;
    });
    response.once("error", reject);
    response.once("end", () => {
      const text = Buffer.concat(chunks).subarray(0, mostBytes).toString("utf8");
      resolve({ status: response.statusCode ?? 0, text });
    });
  });
  request.end(body);
  return await abortable(promise, signal);
}
