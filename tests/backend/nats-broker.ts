import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { connectNats } from "../../lib/backend/nats/connection.ts";
import { ensureStreams } from "../../lib/backend/nats/streams.ts";
import { openNats } from "../../lib/backend/nats/transport.ts";
import type { Transport } from "../../lib/backend/transport.ts";
import { startNats } from "../support/nats-server.ts";
import { again } from "../support/again.ts";
import { until } from "../support/until.ts";

export { again, until };

/** A broker of its own, with the streams unless told otherwise, and a connection to look and meddle with. */
export async function broker(
  { streams = true, config = "", maxFile = undefined as string | undefined } = {},
) {
  const server = await startNats({ config, ...maxFile !== undefined && { maxFile } });
  const connection = await connectNats({ servers: [server.url] });
  const manager = await jetstreamManager(connection);
  if (streams) await ensureStreams(connection);
  const transports: Transport[] = [];
  return {
    server,
    connection,
    manager,
    open: async (options: Partial<Parameters<typeof openNats>[0]> = {}) => {
      const transport = await openNats({ servers: [server.url], ...options });
      transports.push(transport);
      return transport;
    },
    [Symbol.asyncDispose]: async () => {
      for (const transport of transports) await transport[Symbol.asyncDispose]();
      await connection.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** How many messages' worth of requests wait at the broker; -1 where there is no such consumer. */
export async function waitingPulls(manager: JetStreamManager, consumer: string): Promise<number> {
  try {
    return (await manager.consumers.info("messages", consumer)).num_waiting;
  } catch {
    return -1;
  }
}
