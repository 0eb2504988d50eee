import { delay } from "../../lib/base/signals.ts";
import { cable } from "../../tests/support/cable.ts";
import { ACK_WAIT_MS, type Fleet, openFleet } from "../../tests/support/fleet.ts";
import { oneOf, type Soak } from "./soak.ts";
import { startTalkers, talkingRun } from "./talkers.ts";

const INSTANCES = 4;
const AT_ONCE = 8;

/** A broker that ends, in an orderly way or killed, and comes back. */
export const brokerEnds = (end: "stop" | "kill"): Soak => {
  const name = end === "stop" ? "broker stopped for up to 2 s" : "broker killed, away for up to 2 s";
  return talkingSoak(name, async (server) => {
    await server[end]();
    await delay(Math.random() * 2000);
    await server.start();
  });
};

/** A broker that is frozen for a while, with its connections open. */
export const brokerIsSilent: Soak = talkingSoak("broker silent for up to the ack wait", async (server) => {
  server.freeze();
  await delay(Math.random() * ACK_WAIT_MS);
  server.thaw();
});

/**
 * Drivers whose connections are cut, some for longer than the ack wait: other instances take over their
 * steps.
 */
export const driversAreCutOff: Soak = {
  name: "drivers cut off for up to twice the ack wait",
  async prepare(parts) {
    const fleet = parts.use(await openFleet());
    const wires = await Promise.all(Array.from({ length: INSTANCES }, () => cable(fleet.server.port)));
    for (const wire of wires) {
      parts.use(wire);
      await startTalkers(fleet, parts, { servers: [wire.url] });
    }
    return {
      atOnce: AT_ONCE,
      run: () => talkingRun(fleet),
      async strike() {
        const wire = oneOf(wires);
        wire.cut();
        await delay(Math.random() * 2 * ACK_WAIT_MS);
        wire.mend();
      },
    };
  },
};

/** Instances that log lines over a broker, at which `strike` makes faults. */
function talkingSoak(name: string, strike: (server: Fleet["server"]) => Promise<void>): Soak {
  return {
    name,
    async prepare(parts) {
      const fleet = parts.use(await openFleet());
      for (let i = 0; i < INSTANCES; i++) await startTalkers(fleet, parts);
      return { atOnce: AT_ONCE, run: () => talkingRun(fleet), strike: () => strike(fleet.server) };
    },
  };
}
