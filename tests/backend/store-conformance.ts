import { artifacts } from "./store-conformance/artifacts.ts";
import { lifetime } from "./store-conformance/lifetime.ts";
import { logs } from "./store-conformance/logs.ts";
import type { OpenStore } from "./store-conformance/opened.ts";
import { removing } from "./store-conformance/removing.ts";
import { resources } from "./store-conformance/resources.ts";
import { runs } from "./store-conformance/runs.ts";
import { tables } from "./store-conformance/tables.ts";

export type { OpenedStore, OpenStore } from "./store-conformance/opened.ts";

/**
 * Registers one test for each clause of the Store contract, titles beginning with `name`. `open` is called by
 * every test and gives it an empty store, and the transport through which its logs and artifacts come.
 */
export function storeConformance(name: string, open: OpenStore): void {
  tables(name, open);
  runs(name, open);
  resources(name, open);
  logs(name, open);
  artifacts(name, open);
  removing(name, open);
  lifetime(name, open);
}
