import { jetstream } from "@nats-io/jetstream";
import { connectNats } from "../../../lib/backend/nats/connection.ts";

/**
 * Until disposed, stores each step event of this type a second time, unchanged, as soon as the server has.
 */
export async function eventsTwice(server: { readonly nats: string }, type: string): Promise<AsyncDisposable> {
  const connection = await connectNats({ servers: [server.nats] });
  const stream = jetstream(connection);
  const seen = new Set<string>();
  connection.subscribe(`drivers.*.resources.${type}`, {
    callback: (_, { subject, data }) => {
      const text = new TextDecoder().decode(data);
      if (seen.has(text)) return;
      seen.add(text);
      void stream.publish(subject, data);
    },
  });
  await connection.flush();
  return { [Symbol.asyncDispose]: () => connection.close() };
}
