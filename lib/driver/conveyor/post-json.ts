import { Buffer } from "node:buffer";
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";

export interface PostOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** PEM of the authorities to trust instead of the system's. */
  readonly ca?: string | undefined;
  readonly signal: AbortSignal;
}

/** So much of an answer is read; what a server says beyond it helps nobody. */
const ANSWER_BYTES = 4096;

/** Posts a value as JSON and answers the status and the beginning of the body, whatever they say. Follows no redirect. */
export function postJson(
  url: URL,
  value: unknown,
  { headers = {}, ca, signal }: PostOptions,
): Promise<{ status: number; text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const body = Buffer.from(JSON.stringify(value));
  const options = {
    method: "POST",
    // A connection of its own: nobody is going to use it again.
    agent: false,
    headers: { "content-type": "application/json", "content-length": String(body.length), ...headers },
    signal,
    ...ca !== undefined && { ca },
  } as const;
  const request = url.protocol === "https:" ? requestHttps(url, options) : requestHttp(url, options);
  request.once("error", reject);
  request.once("response", (response) => {
    const chunks: Buffer[] = [];
    let size = 0;
    response.on("data", (chunk: Buffer) => {
      if (size < ANSWER_BYTES) chunks.push(chunk);
      size += chunk.length;
    });
    response.once("error", reject);
    response.once("end", () => {
      const text = Buffer.concat(chunks).subarray(0, ANSWER_BYTES).toString("utf8");
      resolve({ status: response.statusCode ?? 0, text });
    });
  });
  request.end(body);
  return promise;
}
