import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";

export interface HttpRequest {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body?: Uint8Array | undefined;
  /** PEM text of the authorities to trust. Default: the system's. */
  readonly ca?: string | Uint8Array | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Timeout for a server that sends nothing, milliseconds. */
  readonly silenceMs?: number;
}

/**
 * Sends a request on its own connection and resolves once the response begins. Follows no redirect. Rejects
 * with the connection's error; later errors come from the body.
 */
export function sendRequest(
  url: URL,
  { method, headers, body, ca, signal, silenceMs }: HttpRequest,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const isSecure = url.protocol === "https:";
  const options = {
    method,
    // The connection will not be reused soon.
    agent: false,
    headers: { ...headers, ...body && { "Content-Length": body.length } },
    ...signal && { signal },
  } as const;
  const request = isSecure
    ? requestHttps(url, { ...options, ...ca !== undefined && { ca: ca as string } })
    : requestHttp(url, options);
  if (silenceMs !== undefined) {
    request.setTimeout(silenceMs, () => request.destroy(new Error(`silent for ${silenceMs / 1000} s`)));
  }
  request.once("response", resolve);
  // Stays registered for errors after the response has begun.
  request.on("error", reject);
  request.end(body);
  return promise;
}
