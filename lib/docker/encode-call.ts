/** A request as dockerode passes it to its modem. */
export interface Call {
  /** If it ends with `?`, the options become its query. */
  readonly path: string;
  readonly method: string;
  /** The query, or else the body of a POST; `_query` and `_body` if there are both. */
  readonly options?: Readonly<Record<string, unknown>>;
  readonly authconfig?: object;
  readonly abortSignal?: AbortSignal;
  /** `true` for every status of success. */
  readonly statusCodes: Readonly<Record<number, unknown>>;
  /** True to return the answer as a stream. */
  readonly isStream?: boolean;
  /** True to return the connection itself. */
  readonly hijack?: boolean;
  /** The body of a PUT. */
  readonly file?: AsyncIterable<Uint8Array>;
}

/** Options that do not go to the daemon. */
const FOR_MODEM = new Set(["abortSignal", "authconfig", "onSent"]);

/** Returns path and query. Objects in the query are encoded as JSON. */
export function encodePath(call: Call): string {
  if (!call.path.endsWith("?")) return call.path;
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(call.options?._query ?? call.options ?? {})) {
    if (value === undefined || FOR_MODEM.has(name)) continue;
    query.set(name, typeof value === "object" ? JSON.stringify(value) : String(value));
  }
  return query.size === 0 ? call.path.slice(0, -1) : call.path + query;
}

/**
 * Returns the body of a POST and the headers of any request. A registry login is a header, so it does not
 * appear in logs of URLs.
 */
export function encodeBody(call: Call): { body?: string; headers: Record<string, string | number> } {
  const login = call.authconfig
    ? { "X-Registry-Auth": paddedBase64Url(JSON.stringify(call.authconfig)) }
    : {};
  if (call.file) return { headers: { "Content-Type": "application/x-tar" } };
  const { abortSignal: _, _query: query, _body: explicit, ...rest } = call.options ?? {};
  const body = explicit ?? (query || call.path.endsWith("?") ? undefined : rest);
  if (call.method !== "POST" || body === undefined) return { headers: login };
  const text = JSON.stringify(body);
  return {
    body: text,
    headers: { ...login, "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) },
  };
}

/** The daemon ignores a value without padding. */
function paddedBase64Url(text: string): string {
  return Buffer.from(text).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
}
