import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { connectNats } from "../../lib/backend/nats/connection.ts";
import { ensureStreams } from "../../lib/backend/nats/streams.ts";
import { openNats } from "../../lib/backend/nats/transport.ts";
import type { Transport } from "../../lib/backend/transport.ts";
import { Retryable } from "../../lib/base/errors.ts";
import { delay } from "../../lib/base/signals.ts";
import { startNats } from "../support/nats-server.ts";
import { within } from "./transport-conformance/opened.ts";

/** A broker of its own, with the streams unless told otherwise, and a connection to look and meddle with. */
export async function broker({ streams = true, config = "" } = {}) {
  const server = await startNats({ config });
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

/** Resolves when the condition holds; fails the test where it never does. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  const look = async () => {
    while (!await condition()) await delay(5);
  };
  await within(look(), "the condition");
}

/** The call's outcome, made again while it throws `Retryable`: an election in a cluster takes its time. */
export async function again<T>(call: () => Promise<T>): Promise<T> {
  for (const start = performance.now();;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof Retryable) || performance.now() - start > 30_000) throw error;
      await delay(50);
    }
  }
}
