import { formatSize } from "../base/units.ts";
import { MAX_MESSAGE_DEPTH, parseJson } from "../base/json.ts";
import http, { type ClientRequest, type IncomingMessage } from "node:http";
import https from "node:https";
import type { Socket } from "node:net";
import { DockerError } from "./docker.ts";
import { type Call, encodeBody, encodePath } from "./encode-call.ts";
import type { DockerEndpoint } from "./endpoint.ts";
import { limitConnecting } from "./limit-connecting.ts";
import { readBytes } from "./read-bytes.ts";
import { unreachable } from "./unreachable.ts";

/** Timeout for connecting, milliseconds. The call itself has no timeout. */
const CONNECT_MS = 10_000;
const KEEP_ALIVE_MS = 15_000;
/** Maximum size of an answer, bytes. A list of 10,000 containers takes half of it. */
const MOST_ANSWERED = 32 * 1024 * 1024;

/** A connection that the daemon has handed over, and data already received on it. */
export interface Hijacked {
  readonly socket: Socket;
  readonly head: Uint8Array;
}

/**
 * Replaces dockerode's own modem, which reads the environment, writes bodies into query strings, and waits
 * for ever if an answer is cut short. Returns `Hijacked` for `hijack`, an `AsyncIterable` of bytes for
 * `isStream`, else parsed JSON (undefined without a body). Fails with `Retryable`, `DockerError` or the
 * signal's reason.
 */
export interface Modem {
  dial(call: Call, done: (error: unknown, answer?: unknown) => void): void;
  /** Closes the connections kept open between calls. */
  close(): void;
}

export function openModem(endpoint: DockerEndpoint, { onSent }: { onSent?: () => void } = {}): Modem {
  const library = endpoint.tls ? https : http;
  const agent = new library.Agent({ keepAlive: true });
  const place = endpoint.socketPath === undefined
    ? { host: endpoint.host, port: endpoint.port, ...endpoint.tls }
    : { socketPath: endpoint.socketPath };

  async function send(call: Call): Promise<unknown> {
    const signal = call.abortSignal ?? call.options?.abortSignal as AbortSignal | undefined;
    signal?.throwIfAborted();
    const { body, headers } = encodeBody(call);
    const request = library.request({
      ...place,
      agent: call.hijack ? false : agent,
      method: call.method,
      path: encodePath(call),
      headers: call.hijack ? { ...headers, Connection: "Upgrade", Upgrade: "tcp" } : headers,
    });
    limitConnecting(request, CONNECT_MS);
    const onThisSent = call.options?.onSent as (() => void) | undefined;
    for (const listener of [onSent, onThisSent]) if (listener) request.once("finish", listener);
    const onAbort = () => request.destroy();
    const release = () => signal?.removeEventListener("abort", onAbort);
    signal?.addEventListener("abort", onAbort, { once: true });
    // For a streamed answer the signal applies until the stream ends.
    let unread = false;
    try {
      const answered = answerTo(request, { endpoint: endpoint.name, hijack: call.hijack === true });
      if (call.file) await sendBody(request, call.file, answered);
      else request.end(body);
      const answer = await answered;
      if ("head" in answer) return answer;
      const bytes = readBytes(answer, { endpoint: endpoint.name, signal });
      const status = answer.statusCode ?? 0;
      if (call.hijack || call.statusCodes[status] !== true) {
        throw new DockerError(failureText(await collect(bytes)) || `Unexpected status ${status}`, { status });
      }
      if (call.isStream && call.method !== "HEAD") {
        answer.once("close", release);
        unread = true;
        return bytes;
      }
      return parse(await collect(bytes), { endpoint: endpoint.name, status });
    } catch (error) {
      throw signal?.aborted ? signal.reason : error;
    } finally {
      if (!unread) release();
      // The daemon answered without reading the whole body, or did not answer.
      if (!request.writableEnded) request.destroy();
    }
  }

  return {
    dial(call, done) {
      send(call).then((answer) => done(undefined, answer), done);
    },
    close: () => agent.destroy(),
  };
}

/** Resolves to the daemon's answer, or with `hijack` to the connection. Rejects with `Retryable`. */
function answerTo(
  request: ClientRequest,
  { endpoint, hijack }: { endpoint: string; hijack: boolean },
): Promise<IncomingMessage | Hijacked> {
  return new Promise((resolve, reject) => {
    request.on("response", resolve);
    request.on("error", (cause) => reject(unreachable(endpoint, cause)));
    request.on("close", () => reject(unreachable(endpoint, new Error("The connection was closed"))));
    if (!hijack) return;
    request.on("upgrade", (_, socket: Socket, head) => {
      // A silent process sends nothing for hours; only keep-alive shows that a host is down.
      socket.setKeepAlive(true, KEEP_ALIVE_MS);
      resolve({ socket, head });
    });
  });
}

/** Resolves when the whole body is sent or the daemon has answered before that. Rejects if either fails. */
async function sendBody(
  request: ClientRequest,
  body: AsyncIterable<Uint8Array>,
  answered: Promise<unknown>,
): Promise<void> {
  let done = false;
  const enough = answered.finally(() => done = true);
  const sending = (async () => {
    for await (const bytes of body) {
      if (done) return;
      if (!request.write(bytes)) await drained(request);
    }
    request.end();
  })();
  sending.catch(() => {});
  await Promise.race([sending, enough]);
}

function drained(request: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const events = ["drain", "close", "response"] as const;
    const onEvent = () => {
      for (const event of events) request.off(event, onEvent);
      resolve();
    };
    for (const event of events) request.on(event, onEvent);
  });
}

/** Reads all bytes as text. Throws `DockerError` if there are too many. */
async function collect(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of bytes) {
    size += piece.length;
    if (size > MOST_ANSWERED) {
      throw new DockerError(`Docker answered more than ${formatSize(MOST_ANSWERED)}: expected less`, {
        status: 0,
      });
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
}

function parse(text: string, { endpoint, status }: { endpoint: string; status: number }): unknown {
  if (text === "") return undefined;
  try {
    return parseJson(text, { maxDepth: MAX_MESSAGE_DEPTH });
  } catch (cause) {
    throw new DockerError(`Docker at ${endpoint} answered "${text.slice(0, 200)}": expected JSON`, {
      status,
      cause,
    });
  }
}

/** Returns the daemon's error message: `{"message":"No such container: x"}`, or plain text from a proxy. */
function failureText(text: string): string {
  try {
    const { message } = parseJson(text) as { message?: unknown };
    if (typeof message === "string") return message.trim();
  } catch {
    // Not an answer by the daemon itself.
  }
  return text.trim();
}
