import { core } from "./transport-conformance/core.ts";
import { asking } from "./transport-conformance/asking.ts";
import { blobs } from "./transport-conformance/blobs.ts";
import { consuming } from "./transport-conformance/consuming.ts";
import { holding } from "./transport-conformance/holding.ts";
import { leasing } from "./transport-conformance/leasing.ts";
import { lifetime } from "./transport-conformance/lifetime.ts";
import { marking } from "./transport-conformance/marking.ts";
import { publishing } from "./transport-conformance/publishing.ts";
import type { Open } from "./transport-conformance/opened.ts";
import { hostile } from "./hostile.ts";

export type { Open, Opened } from "./transport-conformance/opened.ts";

/**
 * Registers one test for each clause of the Transport contract, titles beginning with `name`. `open` is
 * called by every test and gives it an empty backend.
 *
 * With `hostile`, a seed, the transport is used through the wrapper of that name, and only the clauses are
 * tested that hold for somebody to whom everything has happened that the contract allows.
 */
export function transportConformance(name: string, open: Open, options: { hostile?: number } = {}): void {
  const { hostile: seed } = options;
  if (seed !== undefined) {
    return core(name, async () => {
      const opened = await open();
      return {
        ...opened,
        transport: hostile(opened.transport, seed),
        another: async () => hostile(await opened.another(), seed + 1),
        [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
      };
    });
  }
  publishing(name, open);
  consuming(name, open);
  leasing(name, open);
  holding(name, open);
  marking(name, open);
  asking(name, open);
  blobs(name, open);
  lifetime(name, open);
  core(name, open);
}
