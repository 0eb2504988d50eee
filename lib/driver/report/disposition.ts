import { isRetryable, isStepFailure, messageOf, type Retryable } from "../../base/errors.ts";
import type { DriverResult } from "../../wire/resource.ts";
import { StopError } from "../driver.ts";
import { failed, failedBy } from "./result.ts";
import { backOff, isFull } from "../../base/retry.ts";

/** The disposition of a delivery. */
export type Disposition =
  /** Nothing is left to do. */
  | { readonly kind: "drop"; readonly why: string }
  /** Another instance has taken it over, and settles it. */
  | { readonly kind: "leave"; readonly why: string }
  /** It belongs to another host. */
  | { readonly kind: "forward"; readonly host: string }
  /** The step has its result. */
  | { readonly kind: "report"; readonly result: DriverResult }
  /** Redelivered later, here or elsewhere. `isRoutine`: nobody has to read about it. */
  | { readonly kind: "later"; readonly delayMs: number; readonly why: string; readonly isRoutine?: boolean }
  /** It is invalid, and the step fails. */
  | { readonly kind: "refuse"; readonly why: string; readonly result: DriverResult };

/** A step fails after this many attempts without a result. */
export const MOST_ATTEMPTS = 5;
/** An event without claims fails after this many deliveries; some may never have been worked on. */
export const MOST_DELIVERIES = 10;

/**
 * Returns what becomes of an event whose work threw. If the step was told to stop, that explains any later
 * error, unless the driver threw a StepFailure.
 */
export function dispositionOfThrown(
  thrown: unknown,
  { signal, tries, driver, retryMs }: {
    signal: AbortSignal;
    tries: number;
    driver: string;
    retryMs: number;
  },
): Disposition {
  if (isStepFailure(thrown)) return { kind: "report", result: failedBy(thrown) };
  const stop = signal.aborted ? signal.reason : thrown;
  if (stop instanceof StopError) return dispositionOfStop(stop);
  if (isRetryable(thrown)) return dispositionOfRetryable(thrown, tries, retryMs);
  const message = `Driver "${driver}" failed unexpectedly: ${messageOf(thrown)}`;
  return { kind: "report", result: failed("driver-error", message) };
}

function dispositionOfStop(stop: StopError): Disposition {
  switch (stop.reason) {
    case "shutdown":
      return { kind: "later", delayMs: 0, why: stop.message };
    case "driver-lost":
      return { kind: "drop", why: "Another attempt has taken over" };
    default:
      return {
        kind: "report",
        result: { success: false, message: stop.message, data: { reason: stop.reason } },
      };
  }
}

function dispositionOfRetryable(failure: Retryable, tries: number, retryMs: number): Disposition {
  if (isFull(failure)) return { kind: "report", result: failedBy(failure) };
  if (tries < MOST_ATTEMPTS) {
    return { kind: "later", delayMs: backOff(tries, retryMs), why: messageOf(failure) };
  }
  const message = `${messageOf(failure)} (given up after ${tries} attempts)`;
  return { kind: "report", result: failedBy(failure, message) };
}
