import { openEmbedded } from "../../../lib/backend/embedded/embedded.ts";

/**
 * `hold FOLDER SCOPE`: opens the scope, has two messages for the consumer `a`, takes the first, begins to
 * store an artifact, says so and stays.
 */
const [folder = "", scope = ""] = process.argv.slice(2);
const { transport } = await openEmbedded({ folder, scope });
const spec = { stream: "messages", name: "a", filters: ["resources.t"], ackWaitMs: 600_000 } as const;
await transport.ensureConsumer(spec);
for (const id of ["first", "second"]) await transport.publish("resources.t", id, { id });
const { signal } = new AbortController();
const { value: inHand } = await transport.consume(spec, { signal })[Symbol.asyncIterator]().next();
const storing = Promise.withResolvers<void>();
transport.putBlob(scope, "artifact", endless());
await storing.promise;
console.log(inHand?.id);
setInterval(() => {}, 1000);

async function* endless(): AsyncGenerator<Uint8Array> {
  // Enough for a file to be opened before the end.
  yield new Uint8Array(1_000_000);
  storing.resolve();
  await new Promise(() => {});
}
