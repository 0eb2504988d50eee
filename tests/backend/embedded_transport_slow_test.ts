import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { type Opened, transportConformance } from "./transport-conformance.ts";

transportConformance("embedded", open);
transportConformance("embedded, hostile", open, { hostile: 1 });

async function open(): Promise<Opened> {
  const folder = await mkdtemp(join(tmpdir(), "conveyor-embedded-"));
  const openScope = () => openEmbedded({ folder, scope: "up" });
  let embedded = await openScope();
  const { transport } = embedded;
  return {
    transport,
    another: async () => {
      // A scope has one process: a second instance in it is the same, until that is gone.
      const isGone = await embedded.transport.holds("messages", "any").then(() => false, () => true);
      if (isGone) {
        await embedded[Symbol.asyncDispose]();
        embedded = await openScope();
      }
      return embedded.transport;
    },
    readBlob: async (run, name) => {
      const bytes = await embedded.store.artifacts.open(run, name);
      return bytes && Buffer.concat(await Array.fromAsync(bytes));
    },
    [Symbol.asyncDispose]: async () => {
      await embedded[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}
