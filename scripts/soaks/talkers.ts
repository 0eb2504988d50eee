import { delay } from "../../lib/base/signals.ts";
import type { Context } from "../../lib/driver/driver.ts";
import type { Fleet } from "../../tests/support/fleet.ts";
import { pipelineOf, worker, type WorkerOptions } from "../../tests/support/worker.ts";
import { inOrder, isCounted, stepsOf, wrongInTimeline } from "./checks.ts";
import type { Ended } from "./soak.ts";

/** Lines that each run logs. */
const LINES = 200;

/** The work of the driver `talker`. */
export async function talk({ log, signal }: Pick<Context, "log" | "signal">): Promise<void> {
  for (let i = 1; i <= LINES; i++) {
    signal.throwIfAborted();
    await log.line(`line ${i}`);
    await delay(2);
  }
}

/** Starts an instance each of `talker` and `last` in this process. */
export async function startTalkers(
  fleet: Fleet,
  parts: AsyncDisposableStack,
  options: WorkerOptions = {},
): Promise<void> {
  parts.use(await worker(fleet, "talker", talk, { concurrency: 4, ...options }));
  parts.use(await worker(fleet, "last", () => {}, { concurrency: 4, ...options }));
}

/**
 * Submits a run of `talker` and then `last`. Both steps must succeed once, and the attempt that counted must
 * have each line once, in order.
 */
export async function talkingRun(fleet: Fleet): Promise<Ended> {
  const { id, ended, events } = await fleet.submit({}, pipelineOf("talker last!"));
  const { outcome, reason = outcome } = await ended;
  const found = wrongInTimeline(events);
  const steps = stepsOf(events);
  if (`${steps}` !== "talker succeeded,last succeeded") found.push(`${steps}`);
  const lines = await linesOfLastAttempt(fleet, id);
  if (inOrder(lines) !== LINES) found.push(`${inOrder(lines)} of ${lines.length} lines are in order`);
  return { outcome: reason, wrong: found.map((what) => `${id}: ${what}`) };
}

/** Returns the lines of the last attempt. An earlier one that was cut off may have logged some, too. */
async function linesOfLastAttempt({ store }: Fleet, run: string): Promise<string[]> {
  const batches = (await Array.fromAsync(store.logs.read(run))).filter(({ step }) => step === "talker");
  const last = Math.max(...batches.map(({ attempt }) => attempt ?? 0));
  return batches.filter(({ attempt = 0 }) => attempt === last)
    .flatMap(({ lines }) => lines.map(({ message }) => message))
    .filter(isCounted);
}
