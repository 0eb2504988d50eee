import { openNats } from "../../../lib/backend/nats/transport.ts";

/** `store-half URL RUN NAME`: stores the first MiB of an artifact and stays in the middle of it. */
const [url = "", run = "", name = ""] = process.argv.slice(2);
const transport = await openNats({ servers: [url] });
await transport.putBlob(run, name, endless());

async function* endless(): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(1024 * 1024 + 1);
  await new Promise(() => setInterval(() => {}, 1000));
}
