import { connectNats } from "../../lib/backend/nats/connection.ts";
import { ensureStreams } from "../../lib/backend/nats/streams.ts";
import type { Transport } from "../../lib/backend/transport.ts";
import { subjects } from "../../lib/wire/subjects.ts";
import { type NatsServer, startNats } from "../../tests/support/nats-server.ts";
import { TYPE } from "./no-op.ts";

/** Starts a broker that has our streams. */
export async function brokerWithStreams(
  options: Parameters<typeof ensureStreams>[1] = {},
): Promise<NatsServer> {
  const server = await startNats();
  const connection = await connectNats({ servers: [server.url] });
  await ensureStreams(connection, options);
  await connection.close();
  return server;
}

/** Answers claims like an engine that grants all of them. */
export const grantAll = (transport: Transport): Promise<AsyncDisposable> =>
  transport.serve(subjects.claims, () => Promise.resolve(JSON.stringify({ answer: "go", attempt: 1 })));

/** Returns the event of a created resource, as JSON. */
export function eventOf(run: string): string {
  const resource = { id: "bench", name: "bench", pipeline: "bench", resource: TYPE, metadata: {}, spec: {} };
  return JSON.stringify({ event: "create", payload: JSON.stringify(resource), id: run, run_id: run });
}
