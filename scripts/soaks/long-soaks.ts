import { delay } from "../../lib/base/signals.ts";
import type { Context } from "../../lib/driver/driver.ts";
import { openFleet } from "../../tests/support/fleet.ts";
import { pipelineOf, worker } from "../../tests/support/worker.ts";
import { stepsOf, wrongInTimeline } from "./checks.ts";
import type { Soak } from "./soak.ts";

/** The default ack wait of drivers and engines. */
const ACK_WAIT_MS = 30_000;
/** Longer than a pull request, which expires after 30 s. */
const QUEUED_MS = 35_000;
const QUEUED = 10;
const LONG_MS = 3 * ACK_WAIT_MS;
const LONG = 2;

/**
 * Ten queued steps for one instance, each longer than a pull, and steps three times as long as the ack wait
 * while another instance is free. Every step must be handled exactly once.
 */
const longSteps = (name: string, strikes: boolean): Soak => ({
  name,
  async prepare(parts) {
    const fleet = parts.use(await openFleet({ ackWaitMs: ACK_WAIT_MS }));
    const handled: string[] = [];
    const work = (ms: number) => async ({ run, attempt, log, signal }: Context) => {
      handled.push(`${run} ${attempt}`);
      await log.line("begun");
      await delay(ms, { signal });
    };
    const instance = async (name: string, ms: number) =>
      void parts.use(await worker(fleet, name, work(ms), { ackWaitMs: ACK_WAIT_MS }));
    await instance("queued", QUEUED_MS);
    for (let i = 0; i <= LONG; i++) await instance("long", LONG_MS);
    const again = async () => {
      await fleet.server.kill();
      await delay(Math.random() * 5000);
      await fleet.server.start();
    };
    return {
      atOnce: QUEUED + LONG,
      patienceMs: 600_000,
      pauseMs: [5000, 25_000],
      strikesToTheEnd: true,
      ...strikes && { strike: again },
      async run(i) {
        const driver = i < QUEUED ? "queued" : "long";
        const { id, ended, events } = await fleet.submit({}, pipelineOf(driver), { timeoutMs: 3_600_000 });
        const { outcome, reason = outcome } = await ended;
        const found = wrongInTimeline(events);
        if (`${stepsOf(events)}` !== `${driver} succeeded`) found.push(`${stepsOf(events)}`);
        const times = handled.filter((one) => one.startsWith(id));
        if (`${times}` !== `${id} 1`) found.push(`handled as ${times}`);
        return { outcome: reason, wrong: found.map((what) => `${driver} ${id}: ${what}`) };
      },
    };
  },
});

export const longStepsUndisturbed = longSteps("steps longer than ack wait and pull", false);
export const longStepsOverFaults = longSteps(
  "steps longer than ack wait and pull, broker killed",
  true,
);
