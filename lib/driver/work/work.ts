import { messageOf } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { startTimer, stopTimer, type Timer } from "../../base/timers.ts";
import type { DriverResult } from "../../wire/resource.ts";
import { contextOf, logOf } from "./context.ts";
import type { Context } from "../driver.ts";
import type { EventFacts } from "../understand/event-facts.ts";
import type { OpenStepLog } from "../log/step-log.ts";
import type { GrantedStep } from "./granted-step.ts";
import { type Outcome, outcomeOfThrown } from "../report/outcome.ts";
import type { HandleParts } from "../parts.ts";

/** How long a result may be tried to be sent where the step has no deadline, milliseconds. */
const SENDING_MS = 3_600_000;

/** Lets the driver do its work. What comes of it is known when every line of its log is stored. */
export async function work(step: GrantedStep, parts: HandleParts): Promise<Outcome> {
  const { facts, lease } = step;
  const log = logOf(step, parts);
  const began = performance.now();
  const outcome = await reconciled(step, log, parts);
  parts.observer.reconciled(performance.now() - began);
  parts.faultPoint("reconciled", facts.step);
  lease.reportWithin(Math.max(parts.reportMs, lease.remainingMs ?? SENDING_MS));
  const stored = await finished(log, outcome, step, parts);
  parts.faultPoint("logged", facts.step);
  return lease.isLost ? overtaken(facts) : stored;
}

/** An engine sees to the event of an attempt that it has replaced; without one, that is up to whoever works on it now. */
function overtaken({ hasClaims }: EventFacts): Outcome {
  const why = "Another attempt has taken over";
  return hasClaims ? { kind: "drop", why } : { kind: "leave", why };
}

async function reconciled(step: GrantedStep, log: OpenStepLog, parts: HandleParts): Promise<Outcome> {
  const context = contextOf(step, log, parts);
  try {
    await greet(log, step);
    return { kind: "report", result: await withinOvertime(context, parts) };
  } catch (thrown) {
    return outcomeOf(thrown, step, parts);
  }
}

async function greet(log: OpenStepLog, { grant, mask }: GrantedStep): Promise<void> {
  if (grant.attempt > 1) {
    await log.line(`Attempt ${grant.attempt}: the last lines of the one before may be missing`);
  }
  for (const name of mask.tooShort) {
    await log.line(`Secret "${name}" is too short to be masked: expected 3 characters at least`);
  }
}

/** What the driver answers. One that does not heed its signal is not waited for longer than it could take to clean up. */
async function withinOvertime(context: Context, parts: HandleParts): Promise<DriverResult> {
  const { driver, settings, cleanupMs } = parts;
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

/** The outcome, or what becomes of it when its log cannot be stored. */
async function finished(
  log: OpenStepLog,
  outcome: Outcome,
  step: GrantedStep,
  parts: HandleParts,
): Promise<Outcome> {
  try {
    if (outcome.kind === "later") await log.line(`${outcome.why}: the step will be tried again`);
    await log.finish();
    return outcome;
  } catch (thrown) {
    if (step.lease.signal.aborted && outcome.kind === "report") {
      const message = `${outcome.result.message} (the end of its log could not be stored)`;
      return { kind: "report", result: { ...outcome.result, message } };
    }
    return outcomeOf(thrown, step, parts);
  }
}

function outcomeOf(
  thrown: unknown,
  { facts, grant, lease, mask }: GrantedStep,
  parts: HandleParts,
): Outcome {
  const { driver: { name: driver }, retryMs } = parts;
  processLog("driver").debug("Step {run}/{step} threw: {thrown}", {
    ...facts,
    thrown: mask.text(messageOf(thrown)),
  });
  return outcomeOfThrown(thrown, { signal: lease.signal, tries: grant.tries, driver, retryMs });
}
