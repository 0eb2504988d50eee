import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A relay to a broker on a loopback port. It can be cut; dispose cuts it for good. */
export interface Cable extends AsyncDisposable {
  readonly url: string;
  /** Closes all connections and refuses new ones. */
  cut(): void;
  /** Bytes received for the broker. */
  readonly sent: number;
  /** Connections refused. */
  readonly refused: number;
  mend(): void;
}

export async function cable(to: number): Promise<Cable> {
  const sockets = new Set<Socket>();
  const state = { isCut: false, refused: 0, sent: 0 };
  const keep = (socket: Socket, other: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => {
      sockets.delete(socket);
      other.destroy();
    });
  };
  const server = createServer((near) => {
    if (state.isCut) {
      state.refused++;
      return void near.destroy();
    }
    const far = connect(to, "127.0.0.1");
    keep(near, far);
    keep(far, near);
    near.on("data", ({ length }) => state.sent += length);
    near.pipe(far).pipe(near);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The cable has no port");
  const cut = () => {
    state.isCut = true;
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `nats://127.0.0.1:${address.port}`,
    cut,
    get sent() {
      return state.sent;
    },
    get refused() {
      return state.refused;
    },
    mend: () => void (state.isCut = false),
    async [Symbol.asyncDispose]() {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}
