import type { Transport } from "../../backend/transport.ts";
import { retry } from "../../base/retry.ts";
import { consumers, subjects } from "../../wire/subjects.ts";
import type { Driver } from "../driver.ts";

/**
 * Creates the consumers of all drivers in this driver's pipeline: a Conveyor server loses the event of a step
 * whose driver has never been started there. Only keeps events that are addressed to a driver, not those of
 * resources without a pipeline.
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
