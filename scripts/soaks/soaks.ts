import { delay } from "../../lib/base/signals.ts";
import type { Context } from "../../lib/driver/driver.ts";
import { cable } from "../../tests/support/cable.ts";
import { ACK_WAIT_MS, type Fleet } from "../../tests/support/fleet.ts";
import { worker, type WorkerOptions } from "../../tests/support/worker.ts";
import { LINES, type Soak } from "./soak.ts";

const INSTANCES = 4;

const talk = async ({ log, signal }: Context) => {
  for (let i = 1; i <= LINES; i++) {
    signal.throwIfAborted();
    await log.line(`line ${i}`);
    await delay(2);
  }
};

async function workers(
  fleet: Fleet,
  parts: AsyncDisposableStack,
  options: WorkerOptions = {},
): Promise<void> {
  parts.use(await worker(fleet, "talker", talk, { concurrency: 4, ...options }));
  parts.use(await worker(fleet, "last", () => {}, { concurrency: 4, ...options }));
}

/** A broker that ends and comes back, in an orderly way or not. */
const brokerSoak = (end: "stop" | "kill"): Soak => ({
  name: `broker: ${end}`,
  async prepare(fleet, parts) {
    for (let i = 0; i < INSTANCES; i++) await workers(fleet, parts);
    return async () => {
      await fleet.server[end]();
      await delay(Math.random() * 2000);
      await fleet.server.start();
    };
  },
});

/** Drivers that are cut off, some for longer than the ack wait: their steps go to others. */
const wireSoak: Soak = {
  name: "drivers cut off",
  async prepare(fleet, parts) {
    const wires = await Promise.all(Array.from({ length: INSTANCES }, () => cable(fleet.server.port)));
    for (const wire of wires) {
      parts.use(wire);
      await workers(fleet, parts, { servers: [wire.url] });
    }
    return async () => {
      const wire = wires[Math.floor(Math.random() * wires.length)];
      wire?.cut();
      await delay(Math.random() * 2 * ACK_WAIT_MS);
      wire?.mend();
    };
  },
};

/** A broker that says nothing for a while, its connections open. */
const silenceSoak: Soak = {
  name: "broker: silent",
  async prepare(fleet, parts) {
    for (let i = 0; i < INSTANCES; i++) await workers(fleet, parts);
    return async () => {
      fleet.server.freeze();
      await delay(Math.random() * ACK_WAIT_MS);
      fleet.server.thaw();
    };
  },
};

export const SOAKS: readonly Soak[] = [brokerSoak("stop"), brokerSoak("kill"), silenceSoak, wireSoak];
