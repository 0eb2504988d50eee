import type { Transport } from "../../backend/transport.ts";
import { retry } from "../../base/retry.ts";
import { consumers, subjects } from "../../wire/subjects.ts";
import type { Driver } from "../driver.ts";

/**
 * Makes the consumers of all drivers that work on a pipeline with this one: a Conveyor server loses the event of a step whose
 * driver has never been started there. Resources without a pipeline are not kept for them.
 */
export async function keepEvents(
  { pipeline = [] }: Driver,
  { transport, resources, ackWaitMs, signal }: {
    transport: Transport;
    resources: readonly string[];
    ackWaitMs: number;
    signal: AbortSignal;
  },
): Promise<void> {
  await Promise.all(pipeline.map((driver) => {
    const filters = resources.map((type) => subjects.step(driver, type));
    const spec = { stream: "messages", name: consumers.shared(driver), filters, ackWaitMs } as const;
    return retry(() => transport.ensureConsumer(spec), { signal });
  }));
}
