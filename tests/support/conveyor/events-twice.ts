import { jetstream } from "@nats-io/jetstream";
import { connectNats } from "../../../lib/backend/nats/connection.ts";

/** Stores each event for a step of this type that the server stores once more, at once and just as it is, until disposed. */
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
