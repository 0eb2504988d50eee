import { after, before } from "node:test";
import { jetstreamManager } from "@nats-io/jetstream";
import { openEmbedded, openHistory } from "../../lib/backend/embedded/embedded.ts";
import { connectNats } from "../../lib/backend/nats/connection.ts";
import { natsStore } from "../../lib/backend/nats/store.ts";
import { ensureStreams } from "../../lib/backend/nats/streams.ts";
import { openNats } from "../../lib/backend/nats/transport.ts";
import { type NatsServer, startNats } from "../support/nats-server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { type OpenStore, storeConformance } from "./store-conformance.ts";

let server: NatsServer;
before(async () => void (server = await startNats()));
after(() => server[Symbol.asyncDispose]());

/** One server for all tests, emptied for each; a data folder for each. */
const open: OpenStore = async () => {
  const opened = new AsyncDisposableStack();
  const { path: folder } = opened.use(await temporaryFolder());
  const connect = async () =>
    opened.adopt(await connectNats({ servers: [server.url] }), (connection) => connection.close());
  const connection = await connect();
  const manager = await jetstreamManager(connection);
  for await (const name of manager.streams.names()) await manager.streams.delete(name);
  await ensureStreams(connection);
  const embedded = opened.use(await openEmbedded({ folder, scope: "up" }));
  const store = opened.use(await natsStore(connection, embedded.store));
  const transport = opened.use(await openNats({ servers: [server.url] }));
  return {
    store,
    transport,
    another: async () => opened.use(await natsStore(await connect(), await openHistory(folder))),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
};

storeConformance("nats", open);
