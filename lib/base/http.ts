import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";

export interface HttpRequest {
  readonly method: "GET" | "POST";
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body?: Uint8Array | undefined;
  /** PEM text of the authorities to trust; the system's without. */
  readonly ca?: string | Uint8Array | undefined;
  readonly signal?: AbortSignal | undefined;
  /** A server that says nothing for so long is taken for gone. */
  readonly silenceMs?: number;
}

/**
 * Sends a request on a connection of its own and answers once the answer begins. Follows no redirect. Rejects with what the
 * connection fails with; what goes wrong later is told by the body.
 */
export function sendRequest(
  url: URL,
  { method, headers, body, ca, signal, silenceMs }: HttpRequest,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const isSecure = url.protocol === "https:";
  const options = {
    method,
    // Nobody is going to use the connection again soon.
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
  // Stays for the rest of the call.
  request.on("error", reject);
  request.end(body);
  return promise;
}
