import { join } from "node:path";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import type { Transport } from "../../lib/backend/transport.ts";
import { startInstance } from "../../lib/driver/instance.ts";
import type { Engine } from "../../lib/engine/shell/engine.ts";
import { startEngine } from "../../lib/engine/shell/start.ts";
import { HEADERS } from "../../lib/wire/headers.ts";
import type { Pipeline } from "../../lib/wire/resource.ts";
import type { Bench } from "./bench.ts";
import { NO_DOCKER, noOp, SETTINGS, TYPE } from "./no-op.ts";
import { formatMs, quantile, rounded } from "./numbers.ts";

const RUNS = 500;
const WARM_UP = 50;
const STEPS = ["one", "two", "three", "four"];
const TARGET = { p50: 2, p99: 10 };

/**
 * The cost of a step whose driver does nothing: from its event's publishing to the beginning of the next
 * step's `reconcile`. In between: delivery, claim, result, decision, record, and the next event's delivery
 * and claim.
 */
export const steps: Bench = {
  name: "steps",
  group: "spine",
  async measure({ folder, say }) {
    const published = new Map<string, number>();
    const begun = new Map<string, number>();
    await using embedded = await openEmbedded({ folder: join(folder, "data"), scope: "bench" });
    const { store, sealKey } = embedded;
    const transport = watchedTransport(embedded.transport, published);
    await using engine = await startEngine({ transport, store, sealKey });
    await using drivers = new AsyncDisposableStack();
    for (const name of STEPS) {
      const driver = noOp(name, (run) => begun.set(`${run}/${name}`, performance.now()));
      drivers.use(startInstance({ driver, transport, docker: NO_DOCKER, settings: SETTINGS }));
    }
    await runMany(engine, WARM_UP);
    begun.clear();
    say(`${RUNS} runs of ${STEPS.length} steps, one after the other`);
    await runMany(engine, RUNS);
    const overheads: number[] = [];
    for (const [id, at] of begun) {
      const [run, step = ""] = id.split("/");
      const before = published.get(`${run}/${STEPS[STEPS.indexOf(step) - 1]}`);
      if (before !== undefined) overheads.push(at - before);
    }
    const [p50, p99] = [quantile(overheads, 0.5), quantile(overheads, 0.99)];
    return [{
      what: "step with a driver that does nothing, event to next step's beginning",
      ours: `p50 ${formatMs(p50)}, p99 ${formatMs(p99)}`,
      target: `p50 ≤ ${TARGET.p50} ms, p99 ≤ ${TARGET.p99} ms`,
      isMet: p50 <= TARGET.p50 && p99 <= TARGET.p99,
      numbers: { p50Ms: rounded(p50), p99Ms: rounded(p99), steps: overheads.length },
    }];
  },
};

/** Wraps a transport and notes when each step's event is published. */
function watchedTransport(transport: Transport, published: Map<string, number>): Transport {
  return {
    ...transport,
    publish(subject, data, options) {
      const [run, step] = options?.id?.split("/") ?? [];
      if (options?.headers?.[HEADERS.claims] !== undefined) {
        published.set(`${run}/${step}`, performance.now());
      }
      return transport.publish(subject, data, options);
    },
  };
}

async function runMany(engine: Engine, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const run = await engine.submit({
      resource: { id: "bench", name: "bench", resource: TYPE, metadata: {}, spec: {} },
      pipeline: PIPELINE,
      operation: "create",
      timeoutMs: 60_000,
      restarts: 0,
      secrets: {},
    });
    for await (const event of engine.follow(run)) {
      if (event.type === "end" && event.outcome !== "succeeded") throw new Error(event.message);
    }
  }
}

const PIPELINE: Pipeline = {
  name: "bench",
  resource: TYPE,
  steps: STEPS.map((driver) => ({ id: driver, name: driver, driver })),
};
