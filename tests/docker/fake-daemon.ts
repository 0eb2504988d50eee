import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import type { DockerEndpoint } from "../../lib/docker/endpoint.ts";

export interface FakeRequest {
  /** `GET /containers/x/json`. */
  readonly line: string;
  /** Head and body as they came. */
  readonly text: string;
  readonly socket: Socket;
}

/**
 * Something that speaks as little HTTP as a test needs, for faults that a real daemon cannot be brought to
 * have.
 */
export interface FakeDaemon extends AsyncDisposable {
  readonly endpoint: DockerEndpoint;
  /** The requests that have come, oldest first. */
  readonly requests: readonly FakeRequest[];
  /** How many connections have been made in all. */
  readonly accepted: number;
  /** Resolves when nobody is connected. */
  idle(): Promise<void>;
  /** Ends as `kill -9` does: connections break, and nobody listens any more. */
  die(): Promise<void>;
}

/**
 * `handle` writes the answer. A body without a length (a stream) is not waited for. On a Unix socket unless
 * told otherwise.
 */
export async function startFakeDaemon(
  handle: (request: FakeRequest, daemon: FakeDaemon) => void,
  { tls, tcp = tls !== undefined }: { tls?: { key: string; cert: string }; tcp?: boolean } = {},
): Promise<FakeDaemon> {
  const folder = await mkdtemp(join(tmpdir(), "fake-daemon-"));
  const sockets = new Set<Socket>();
  const requests: FakeRequest[] = [];
  let accepted = 0;
  let onIdle = () => {};
  const accept = (socket: Socket) => {
    accepted++;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => {
      sockets.delete(socket);
      if (sockets.size === 0) onIdle();
    });
    let text = "";
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
      const head = text.indexOf("\r\n\r\n") + 4;
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1] ?? 0);
      if (head < 4 || text.length < head + length) return;
      const request = { line: text.slice(0, text.indexOf(" HTTP/1.1")), text, socket };
      text = "";
      // What follows the head of a streamed body is nothing that can be answered.
      if (!/^[A-Z]+ \//.test(request.line)) return;
      requests.push(request);
      handle(request, daemon);
    });
  };
  const server = tls ? createTlsServer(tls, accept) : createServer(accept);
  const path = join(folder, "docker.sock");
  await new Promise<void>((resolve) =>
    tcp ? server.listen(0, "127.0.0.1", resolve) : server.listen(path, resolve)
  );
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;

  const die = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  const daemon: FakeDaemon = {
    endpoint: tcp
      ? {
        name: `tcp://127.0.0.1:${port}`,
        host: "127.0.0.1",
        port,
        ...(tls && { tls: { ca: tls.cert, rejectUnauthorized: true } }),
      }
      : { name: `unix://${path}`, socketPath: path },
    requests,
    get accepted() {
      return accepted;
    },
    idle: () =>
      new Promise((resolve) => {
        onIdle = resolve;
        if (sockets.size === 0) resolve();
      }),
    die,
    async [Symbol.asyncDispose]() {
      await die();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return daemon;
}

/** A whole answer. A string is sent as it is, anything else as JSON. */
export function answer(status: number, body: unknown = ""): string {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return `HTTP/1.1 ${status} X\r\nContent-Type: application/json\r\nContent-Length: ${
    Buffer.byteLength(text)
  }\r\n\r\n${text}`;
}

/** The beginning of an answer of unknown length, and its first pieces. */
export function chunked(...pieces: string[]): string {
  return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
    pieces.map((piece) => `${Buffer.byteLength(piece).toString(16)}\r\n${piece}\r\n`).join("");
}

export const CHUNKED_END = "0\r\n\r\n";

export const UPGRADED = "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n" +
  "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n";

/** A frame of a process's output, of which the daemon says more (`length`) than there is if it is told to. */
export function frame(text: string, { stream = 1, length = text.length } = {}): string {
  return String.fromCharCode(
    stream,
    0,
    0,
    0,
    length >>> 24,
    (length >>> 16) & 255,
    (length >>> 8) & 255,
    length & 255,
  ) +
    text;
}
