import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { Readable } from "node:stream";
import { messageOf, UnavailableError } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { startTimer, stopTimer } from "../../base/timers.ts";

export interface ListenOptions {
  readonly host: string;
  /** 0 picks a free port. */
  readonly port: number;
  /** PEM texts. Omit for plain HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
}

/** A running server. Dispose stops accepting connections and closes the open ones. */
export interface Listening extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
}

/** Serves HTTP with `handle`. Throws UnavailableError, which names the address. */
export async function listen(
  handle: (request: Request) => Promise<Response>,
  { host, port, tls }: ListenOptions,
): Promise<Listening> {
  const closing = new AbortController();
  const scheme = tls ? "https" : "http";
  const serve: RequestListener = (incoming, outgoing) => {
    answer(incoming, outgoing, { handle, scheme, closing: closing.signal }).catch((error) => {
      processLog("http").debug("A request was cut off: {error}", { error: messageOf(error) });
      outgoing.destroy();
    });
  };
  const server = tls ? createTlsServer(tls, serve) : createServer(serve);
  try {
    server.listen(port, host);
    await once(server, "listening");
  } catch (cause) {
    throw new UnavailableError(`Cannot listen on "${host}:${port}"`, {
      cause,
      hint: "Another server may be there already; name another address with --listen",
    });
  }
  const address = server.address();
  const bound = typeof address === "object" && address ? address.port : port;
  return {
    port: bound,
    url: `${scheme}://${host.includes(":") ? `[${host}]` : host}:${bound}`,
    async [Symbol.asyncDispose]() {
      if (closing.signal.aborted) return;
      closing.abort(new Error("The server is closed"));
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  { handle, scheme, closing }: {
    handle: (request: Request) => Promise<Response>;
    scheme: string;
    closing: AbortSignal;
  },
): Promise<void> {
  const leaving = new AbortController();
  outgoing.once("close", () => leaving.abort(new Error("The client is gone")));
  const signal = AbortSignal.any([closing, leaving.signal]);
  const whole = isSmall(incoming) ? await bodyAtHand(incoming) : undefined;
  const request = requestOf(incoming, { scheme, signal, whole });
  const response = request ? await handle(request) : new Response(null, { status: 400 });
  const headers = Object.fromEntries(response.headers);
  if (!response.body || isWhole(response)) {
    const body = Buffer.from(await response.arrayBuffer());
    const hasLength = response.status !== 204 && incoming.method !== "HEAD";
    const length = hasLength ? { "content-length": String(body.length) } : {};
    // One write instead of three.
    outgoing.writeHead(response.status, { ...length, ...headers }).end(body);
    return await readAway(request);
  }
  outgoing.writeHead(response.status, headers);
  outgoing.flushHeaders();
  const reader = response.body.getReader();
  signal.addEventListener("abort", () => void reader.cancel(signal.reason).catch(() => {}), { once: true });
  for (;;) {
    const { done, value } = await reader.read();
    if (done || signal.aborted) break;
    if (!outgoing.write(value)) await drained(outgoing);
  }
  if (signal.aborted) return void outgoing.destroy();
  outgoing.end();
  await readAway(request);
}

/**
 * A streamed answer says with this header, which proxies heed too, that its parts must not wait for each
 * other.
 */
export const STREAMED = { "X-Accel-Buffering": "no" };

/** Returns true for a JSON answer that is at hand as a whole. */
const isWhole = ({ headers }: Response): boolean =>
  headers.get("content-type")?.startsWith("application/json") === true && !headers.has("x-accel-buffering");

/** The most bytes of a body that are read although nobody wants them. */
const MOST_UNWANTED = 16 * 1024 * 1024;

/**
 * Reads the rest of a body that was refused: its sender would not see the answer before it has sent all, and
 * the next request of the connection comes behind it. Throws if the rest is too long, which closes the
 * connection.
 */
async function readAway(request: Request | undefined): Promise<void> {
  if (!request?.body || request.body.locked || request.bodyUsed) return;
  let bytes = 0;
  for await (const chunk of request.body) {
    bytes += chunk.length;
    if (bytes > MOST_UNWANTED) throw new Error("The rest of the request is too long");
  }
}

/**
 * Bodies of at most this many bytes are read before the request is handled, if they are there: a stream costs
 * more than they do.
 */
const SMALL_BODY = 16 * 1024;
/**
 * A body that is not there by then is read as a stream, so that a request is refused before its body comes.
 */
const AT_HAND_MS = 50;

/** Returns true if the body's length is given, and small. */
function isSmall({ headers }: IncomingMessage): boolean {
  const length = headers["content-length"];
  return length !== undefined && headers["transfer-encoding"] === undefined && Number(length) <= SMALL_BODY;
}

/**
 * Reads the whole body. Returns undefined if it does not come at once; then none of it is lost. Throws if the
 * client goes away.
 */
async function bodyAtHand(incoming: IncomingMessage): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const chunks: Buffer[] = [];
  const take = (chunk: Buffer) => void chunks.push(chunk);
  const end = () => resolve(true);
  const leave = () => reject(new Error("The client is gone"));
  incoming.on("data", take).once("end", end).once("error", reject).once("close", leave);
  const timer = startTimer(() => resolve(false), AT_HAND_MS);
  try {
    if (await promise) return new Uint8Array(Buffer.concat(chunks));
    incoming.pause();
    // After the end there is nothing to put back to.
    if (incoming.readableEnded) return new Uint8Array(Buffer.concat(chunks));
    if (chunks.length > 0) incoming.unshift(Buffer.concat(chunks));
    return undefined;
  } finally {
    stopTimer(timer);
    incoming.off("data", take).off("end", end).off("error", reject).off("close", leave);
  }
}

/** Returns undefined if no `Request` can be made of the message, for example if its host is invalid. */
function requestOf(
  incoming: IncomingMessage,
  { scheme, signal, whole }: {
    scheme: string;
    signal: AbortSignal;
    whole: Uint8Array<ArrayBuffer> | undefined;
  },
): Request | undefined {
  const { method = "GET", headers: given, url = "/" } = incoming;
  const base = URL.parse(`${scheme}://${given.host ?? ""}`);
  const path = url.startsWith("/") ? url : undefined;
  if (!base || path === undefined) return undefined;
  try {
    const headers = new Headers();
    for (const [name, value] of Object.entries(given)) {
      for (const one of [value ?? []].flat()) headers.append(name, one);
    }
    const hasBody = method !== "GET" && method !== "HEAD";
    return new Request(`${base.origin}${path}`, {
      method,
      headers,
      signal,
      ...hasBody && { body: whole ?? Readable.toWeb(incoming) as ReadableStream<Uint8Array>, duplex: "half" },
    } as RequestInit);
  } catch {
    return undefined;
  }
}

function drained(outgoing: ServerResponse): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  outgoing.once("drain", resolve);
  outgoing.once("close", resolve);
  return promise.finally(() => {
    outgoing.off("drain", resolve);
    outgoing.off("close", resolve);
  });
}
