import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openEmbedded, openHistory } from "../../lib/backend/embedded/embedded.ts";
import { type OpenedStore, storeConformance } from "./store-conformance.ts";

storeConformance("embedded", open);

async function open(): Promise<OpenedStore> {
  const folder = await mkdtemp(join(tmpdir(), "conveyor-embedded-"));
  const opened = new AsyncDisposableStack();
  opened.defer(() => rm(folder, { recursive: true }));
  const { store, transport } = opened.use(await openEmbedded({ folder, scope: "up" }));
  return {
    store,
    transport,
    another: async () => opened.use(await openHistory(folder)),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
