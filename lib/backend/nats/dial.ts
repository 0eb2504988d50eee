import type { Socket } from "node:net";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import {
  type NatsConnection,
  NatsConnectionImpl,
  type NodeConnectionOptions,
  setTransportFactory,
} from "@nats-io/transport-node";
import { nodeResolveHost, NodeTransport } from "@nats-io/transport-node/lib/node_transport.js";

/** The client's `connect`, with sockets whose late errors cannot end the process. */
export function dial(options: NodeConnectionOptions): Promise<NatsConnection> {
  setTransportFactory({ factory: () => new GuardedTransport(), dnsResolveFn: nodeResolveHost });
  return NatsConnectionImpl.connect(options);
}

type Address = Parameters<NodeTransport["connect"]>[0];

/**
 * The client removes all listeners from a socket before it destroys it. On Deno an error that is pending at
 * that moment (the broker refused us and closed) is still emitted, finds no listener and ends the process.
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

  /** Starts TLS first, over a guarded socket and with the same checks as `startTLS`. */
  override async tlsFirst(address: Address): Promise<TLSSocket> {
    this.socket = await this.dial(address);
    return await this.startTLS();
  }

  /**
   * As the client's own, but checks the certificate of an address without a name against the address, not
   * "localhost".
   */
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

/** Adds an error listener that `removeAllListeners` cannot remove, and returns the socket. */
function guarded<T extends Socket>(socket: T): T {
  const ignore = () => {};
  const removeAll = socket.removeAllListeners.bind(socket);
  socket.removeAllListeners = (...events: Parameters<Socket["removeAllListeners"]>) => {
    removeAll(...events);
    return socket.on("error", ignore);
  };
  return socket.on("error", ignore);
}
