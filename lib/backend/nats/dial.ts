import type { Socket } from "node:net";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import {
  type NatsConnection,
  NatsConnectionImpl,
  type NodeConnectionOptions,
  setTransportFactory,
} from "@nats-io/transport-node";
import { nodeResolveHost, NodeTransport } from "@nats-io/transport-node/lib/node_transport.js";

/** The client's `connect`, over sockets that cannot end the process. */
export function dial(options: NodeConnectionOptions): Promise<NatsConnection> {
  setTransportFactory({ factory: () => new GuardedTransport(), dnsResolveFn: nodeResolveHost });
  return NatsConnectionImpl.connect(options);
}

type Address = Parameters<NodeTransport["connect"]>[0];

/**
 * The client takes all listeners off a socket before it destroys it. On Deno an error that is on its way at that moment
 * (a broker that refused us and closed) still comes, finds no listener, and ends the process.
 */
class GuardedTransport extends NodeTransport {
  #host = "";

  override connect(address: Address, options: NodeConnectionOptions): Promise<void> {
    this.#host = address.hostname;
    return super.connect(address, options);
  }

  override async dial(address: Address): Promise<Socket> {
    return guarded(await super.dial(address));
  }

  /** The handshake before anything else, over a guarded socket and with the same checks as later. */
  override async tlsFirst(address: Address): Promise<TLSSocket> {
    this.socket = await this.dial(address);
    return await this.startTLS();
  }

  /** As the client's own, but an address without a name is checked as such, not as "localhost". */
  override async startTLS(): Promise<TLSSocket> {
    const { ca, cert, key } = this.options.tls ? await this.loadClientCerts() ?? {} : {};
    const name: ConnectionOptions = this.tlsName === "" ? { host: this.#host } : { servername: this.tlsName };
    const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
    const socket = guarded(connect({ ca, cert, key, ...name, socket: this.socket }));
    socket.once("secureConnect", () => resolve(socket));
    socket.once("error", reject);
    socket.once(
      "close",
      () => reject(new Error("The broker closed the connection during the TLS handshake")),
    );
    return await promise;
  }
}

/** The socket, with a listener for errors that nobody can take away. */
function guarded<T extends Socket>(socket: T): T {
  const ignore = () => {};
  const removeAll = socket.removeAllListeners.bind(socket);
  socket.removeAllListeners = (...events: Parameters<Socket["removeAllListeners"]>) => {
    removeAll(...events);
    return socket.on("error", ignore);
  };
  return socket.on("error", ignore);
}
