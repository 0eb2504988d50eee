import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import type { Duplex } from "node:stream";

/** An HTTP proxy on loopback that tunnels anywhere for those with its login. Dispose closes its tunnels. */
export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** `host:port` of each tunnel. */
  readonly tunnels: string[];
}

export async function startProxy(login: string): Promise<Proxy> {
  const tunnels: string[] = [];
  const ends = new Set<Duplex>();
  const expected = `Basic ${btoa(login)}`;
  const server = createServer((_request, response) => void response.writeHead(405).end());
  server.on("connect", ({ url = "", headers }, socket) => {
    if (headers["proxy-authorization"] !== expected) {
      socket.end(
        'HTTP/1.1 407 Login\r\nProxy-Authenticate: Basic realm="test"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
      );
      return;
    }
    tunnels.push(url);
    const { hostname, port } = new URL(`http://${url}`);
    const to = connect(Number(port), hostname, () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      to.pipe(socket).pipe(to);
    });
    for (const [one, other] of [[socket, to], [to, socket]] as const) {
      ends.add(one);
      one.on("error", () => other.destroy());
      one.once("close", () => {
        ends.delete(one);
        other.destroy();
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : 0,
    tunnels,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      for (const end of ends) end.destroy();
      await closed;
    },
  };
}
