import { messageOf } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { startTimer, stopTimer, type Timer } from "../../base/timers.ts";
import type { DriverResult } from "../../wire/resource.ts";
import { type ContextServices, openContext } from "./context.ts";
import type { Context, Driver, StepLog } from "../driver.ts";
import type { EventFacts } from "../understand/event-facts.ts";
import type { OpenStepLog } from "../log/step-log.ts";
import type { GrantedEvent } from "../claim/granted-event.ts";
import type { DriverEvent } from "../understand/decode.ts";
import { type Disposition, dispositionOfThrown } from "../report/disposition.ts";
import type { Observer } from "../observer.ts";

/** What `work` needs. */
export interface WorkServices extends ContextServices {
  readonly driver: Driver;
  readonly observer: Observer;
  /** The delay before a step is retried after an infrastructure failure, milliseconds; doubled each time. */
  readonly retryMs: number;
}

/** Runs the driver's work. Resolves with its disposition once every line of its log is stored. */
export async function work(step: GrantedEvent<DriverEvent>, services: WorkServices): Promise<Disposition> {
  const { facts, lease } = step;
  const { observer, faultPoint } = services;
  const context = openContext(step, services);
  const began = performance.now();
  const disposition = await reconciled(step, context, services);
  observer.reconciled(performance.now() - began);
  faultPoint("reconciled", facts.step);
  lease.workDone();
  const stored = await finished(step, context.log, disposition, services);
  faultPoint("logged", facts.step);
  return lease.isLost ? overtaken(facts) : stored;
}

/** With claims the engine settles a superseded event; without, the instance now working on it does. */
function overtaken({ hasClaims }: EventFacts): Disposition {
  const why = "Another attempt has taken over";
  return hasClaims ? { kind: "drop", why } : { kind: "leave", why };
}

async function reconciled(
  step: GrantedEvent<DriverEvent>,
  context: Context,
  services: WorkServices,
): Promise<Disposition> {
  try {
    await greet(context.log, step);
    return { kind: "report", result: await withinOvertime(context, services) };
  } catch (thrown) {
    return dispositionOf(thrown, step, services);
  }
}

async function greet(log: StepLog, { grant, mask }: GrantedEvent): Promise<void> {
  if (grant.attempt > 1) {
    await log.line(`Attempt ${grant.attempt}: the last lines of the one before may be missing`);
  }
  for (const name of mask.tooShort) {
    await log.line(`Secret "${name}" is too short to be masked: expected 3 characters at least`);
  }
}

/**
 * Returns the driver's result. If the driver ignores its signal, rejects with the signal's reason after the
 * grace period and cleanup time.
 */
async function withinOvertime(
  context: Context,
  { driver, settings, cleanupMs }: WorkServices,
): Promise<DriverResult> {
  const { signal } = context;
  const { promise: overtime, reject } = Promise.withResolvers<never>();
  let timer: Timer | undefined;
  const onStop = () => {
    timer = startTimer(() => reject(signal.reason), settings.graceMs + cleanupMs);
  };
  signal.addEventListener("abort", onStop, { once: true });
  if (signal.aborted) onStop();
  try {
    return await Promise.race([(async () => await driver.reconcile(context))(), overtime]);
  } finally {
    signal.removeEventListener("abort", onStop);
    stopTimer(timer);
  }
}

/** Finishes the log and returns the disposition, or the disposition of failing to store the log. */
async function finished(
  step: GrantedEvent,
  log: OpenStepLog,
  disposition: Disposition,
  services: WorkServices,
): Promise<Disposition> {
  try {
    if (disposition.kind === "later") await log.line(`${disposition.why}: the step will be tried again`);
    await log.finish();
    return disposition;
  } catch (thrown) {
    if (step.lease.signal.aborted && disposition.kind === "report") {
      const message = `${disposition.result.message} (the end of its log could not be stored)`;
      return { kind: "report", result: { ...disposition.result, message } };
    }
    return dispositionOf(thrown, step, services);
  }
}

function dispositionOf(
  thrown: unknown,
  { facts, grant, lease, mask }: GrantedEvent,
  { driver: { name: driver }, retryMs }: WorkServices,
): Disposition {
  processLog("driver").debug("Step {run}/{step} threw: {thrown}", {
    run: facts.run,
    step: facts.step,
    thrown: mask.text(messageOf(thrown)),
  });
  return dispositionOfThrown(thrown, { signal: lease.signal, tries: grant.tries, driver, retryMs });
}
