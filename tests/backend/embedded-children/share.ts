import { openEmbedded } from "../../../lib/backend/embedded/embedded.ts";
import { ConflictError, type Store } from "../../../lib/backend/store.ts";
import { publishBatch } from "../store-conformance/opened.ts";

/**
 * `share FOLDER SCOPE ROUNDS`: in each round raises the counter that all share, sends itself a message and
 * stores a log batch and an artifact. Prints the owner, the key and how many messages came, and ends in an
 * orderly way.
 */
const [folder = "", scope = "", rounds = ""] = process.argv.slice(2);
await using embedded = await openEmbedded({ folder, scope });
const { store, transport } = embedded;
const spec = { stream: "messages", name: "a", filters: ["resources.t"], ackWaitMs: 60_000 } as const;
const controller = new AbortController();
const messages = transport.consume(spec, { signal: controller.signal })[Symbol.asyncIterator]();
await transport.ensureConsumer(spec);
let came = 0;
for (let round = 1; round <= Number(rounds); round++) {
  await raise(store);
  await transport.publish("resources.t", `${scope} ${round}`, { id: `${round}` });
  const { value } = await messages.next();
  if (value && new TextDecoder().decode(value.data) === `${scope} ${round}`) came++;
  await value?.ack();
  await publishBatch(transport, [`${scope} ${round}`], { run: scope, id: `${scope}/${round}` });
  await transport.putBlob(scope, `${round}`, one(`${scope} ${round}`));
}
controller.abort();
console.log(
  JSON.stringify({ owner: embedded.owner, key: Buffer.from(embedded.sealKey).toString("hex"), came }),
);

async function raise({ secrets }: Store): Promise<void> {
  for (;;) {
    const found = await secrets.get("counter");
    try {
      await secrets.put("counter", String(Number(found?.value ?? 0) + 1), found?.revision ?? 0);
      return;
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
    }
  }
}

async function* one(text: string): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(new TextEncoder().encode(text));
}
