import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { messageOf, UnavailableError } from "../../../base/errors.ts";

export interface HealthOptions {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** Returns why the process is not ready, one reason per line; empty if it is ready. */
  readonly reasons: () => Promise<readonly string[]>;
  /** Returns metrics in Prometheus' text format. */
  readonly metrics: () => Promise<string> | string;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

/**
 * Serves `/healthz` (200 while the process runs), `/readyz` (200, or 503 with the reasons) and `/metrics`
 * until disposed. Throws UnavailableError if the address cannot be used.
 */
export async function serveHealth(
  options: HealthOptions,
): Promise<AsyncDisposable & { readonly url: string }> {
  const { host, port } = options;
  const server = createServer((request, response) => void serve(request, response, options));
  server.listen(port, host);
  try {
    await once(server, "listening");
  } catch (cause) {
    throw new UnavailableError(`Cannot serve --health at "${withPort(host, port)}"`, {
      cause,
      hint: "Name an address of this machine, and a port that nobody else listens on",
    });
  }
  const address = server.address();
  const taken = address !== null && typeof address === "object" ? address.port : port;
  return {
    url: `http://${withPort(host, taken)}`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Never rejects: a failed health request must not end the driver. */
async function serve(request: IncomingMessage, response: ServerResponse, options: HealthOptions) {
  const { status, text } = await answer(request, options).catch((error): Answer => ({
    status: 500,
    text: `${messageOf(error)}\n`,
  }));
  response.writeHead(status, {
    "content-type": "text/plain; version=0.0.4; charset=utf-8",
    "cache-control": "no-store",
    ...status === 405 && { allow: "GET, HEAD" },
  });
  response.end(text);
}

async function answer({ method, url = "" }: IncomingMessage, options: HealthOptions): Promise<Answer> {
  if (method !== "GET" && method !== "HEAD") return { status: 405, text: "Expected GET\n" };
  switch (url.split("?")[0]) {
    case "/healthz":
      return { status: 200, text: "ok\n" };
    case "/readyz": {
      const reasons = await options.reasons();
      return reasons.length === 0
        ? { status: 200, text: "ready\n" }
        : { status: 503, text: `${reasons.join("\n")}\n` };
    }
    case "/metrics":
      return { status: 200, text: await options.metrics() };
    default:
      return { status: 404, text: "Expected /healthz, /readyz or /metrics\n" };
  }
}

const withPort = (host: string, port: number): string => `${host.includes(":") ? `[${host}]` : host}:${port}`;
