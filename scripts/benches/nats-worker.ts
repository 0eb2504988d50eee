/**
 * A driver that does nothing, as a process of its own: `bun nats-worker.ts URL NAME`. Says `ready`, then
 * works until killed.
 */
import { openNats } from "../../lib/backend/nats/transport.ts";
import { startInstance } from "../../lib/driver/instance.ts";
import { NO_DOCKER, noOp, SETTINGS } from "./no-op.ts";

const [url = "", name = ""] = process.argv.slice(2);
const instance = startInstance({
  driver: noOp(name),
  transport: await openNats({ servers: [url] }),
  docker: NO_DOCKER,
  settings: SETTINGS,
  concurrency: 8,
  ackWaitMs: 2000,
});
await instance.ready;
console.log("ready");
