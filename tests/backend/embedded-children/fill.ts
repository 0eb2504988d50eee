import { readdirSync } from "node:fs";
import { openEmbedded } from "../../../lib/backend/embedded/embedded.ts";
import { Retryable } from "../../../lib/base/errors.ts";
import { publishBatch, RUN, runOf } from "../store-conformance/opened.ts";

/**
 * `fill FOLDER`: stores log batches until the disk is full, then does what a run does that fails for it and
 * what its user does about it. Prints what came of each as JSON.
 */
const [folder = ""] = process.argv.slice(2);
const spec = { stream: "messages", name: "a", filters: ["resources.t"], ackWaitMs: 60_000 } as const;
await using embedded = await openEmbedded({ folder, scope: "up" });
const { store, transport } = embedded;
await transport.ensureConsumer(spec);
let revision = await store.runs.put(RUN, runOf(RUN), 0);

const logs = await reasonOf(async () => {
  for (;;) await publishBatch(transport, [random()], { step: "full" });
});
const stored = await store.logs.count(RUN);
const artifact = await reasonOf(() => transport.putBlob(RUN, "large", endless()));
const record = await reasonOf(async () => {
  for (let i = 0; i < 200; i++) {
    const outcome = i === 199 ? { outcome: "failed" } as const : {};
    revision = await store.runs.put(RUN, runOf(RUN, { ...outcome, operation: "x".repeat(20_000) }), revision);
  }
});
const messages = await reasonOf(async () => {
  const { signal } = new AbortController();
  await transport.publish("resources.t", "last", { id: "last" });
  for await (const delivery of transport.consume(spec, { signal })) {
    await delivery.ack();
    break;
  }
});
const more = await reasonOf(() => publishBatch(transport, ["more"]));
const readable = (await Array.fromAsync(store.logs.read(RUN))).length === stored;
const partial = readdirSync(folder, { recursive: true }).filter((name) => /^partial.up.+/.test(String(name)));
const removed = await reasonOf(() => store.removeRun(RUN));
const after = await reasonOf(() => publishBatch(transport, ["after"]));
console.log(
  JSON.stringify({ logs, stored, artifact, record, messages, more, readable, partial, removed, after }),
);

async function reasonOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return "done";
  } catch (error) {
    return error instanceof Retryable ? error.reason : String(error);
  }
}

function random(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(48_000))).toString("base64");
}

async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield await Promise.resolve(new Uint8Array(65_536));
}
