import { after, before } from "node:test";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { Objm } from "@nats-io/obj";
import { ensureStreams } from "../../lib/backend/nats/streams.ts";
import { objectName } from "../../lib/backend/nats/blobs.ts";
import { connectNats } from "../../lib/backend/nats/connection.ts";
import { openNats } from "../../lib/backend/nats/transport.ts";
import { type NatsServer, startNats } from "../support/nats-server.ts";
import { type Open, transportConformance } from "./transport-conformance.ts";

let server: NatsServer;
before(async () => void (server = await startNats()));
after(() => server[Symbol.asyncDispose]());

/** One server for all tests, emptied for each. */
const open: Open = async () => {
  const connection = await connectNats({ servers: [server.url] });
  const manager = await jetstreamManager(connection);
  for await (const name of manager.streams.names()) await manager.streams.delete(name);
  await ensureStreams(connection);
  const transport = await openNats({ servers: [server.url] });
  const others: AsyncDisposable[] = [];
  return {
    transport,
    another: async () => {
      const other = await openNats({ servers: [server.url] });
      others.push(other);
      return other;
    },
    readBlob: async (run, name) => {
      const bucket = await new Objm(jetstream(connection)).open("artifacts");
      return await bucket.getBlob(objectName(run, name)) ?? undefined;
    },
    [Symbol.asyncDispose]: async () => {
      for (const open of [transport, ...others]) await open[Symbol.asyncDispose]();
      await connection.close();
    },
  };
};

transportConformance("nats", open);
transportConformance("nats, hostile", open, { hostile: 1 });
