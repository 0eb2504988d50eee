import { once } from "node:events";
import { createServer } from "node:http";

export interface Call {
  readonly authorization: string | undefined;
  readonly body: Record<string, unknown>;
}

/** An HTTP server on loopback that answers its callers together, once the expected number has come. */
export async function startHook(
  callers: number,
): Promise<AsyncDisposable & { readonly url: string; readonly calls: readonly Call[] }> {
  const calls: Call[] = [];
  const held: (() => void)[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk);
    calls.push({
      authorization: request.headers.authorization,
      body: JSON.parse(Buffer.concat(chunks).toString("utf8")),
    });
    held.push(() => response.end("ok"));
    if (held.length >= callers) { for (const answer of held.splice(0)) answer(); }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}/`,
    calls,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
