import type { DriverResult } from "../wire/resource.ts";
import { defineDriver } from "./define.ts";
import type { Context, Driver } from "./driver.ts";

/** A driver as Conveyor's own SDKs know it. */
export interface ManagedDriver {
  /** A subject token. */
  readonly name: string;
  readonly resources: readonly string[];
  /** `payload` is the resource as JSON text. What it throws fails the step, as `success: false` does. */
  reconcile(
    payload: string,
    event: string,
    runId: string,
    logger: DriverLogger,
  ): ManagedResult | Promise<ManagedResult>;
}

export interface ManagedResult {
  success: boolean;
  message?: string;
  data?: unknown;
}

/** The run's log, line by line. Calls wait while the log cannot be stored. */
export interface DriverLogger {
  /** Labels stand behind the message as `name=value`: a line of the log has no place of its own for them. */
  log(message: string, labels?: Readonly<Record<string, string>>): Promise<void>;
  /** Output of a program; its lines need not be whole. */
  write(data: Uint8Array | string): Promise<void>;
}

const encoder = new TextEncoder();

/**
 * A driver of ours that does what the managed one does. `events` are the operations that it handles, `*` for all; others
 * succeed at once, marked as skipped, so that a pipeline goes on. Throws InputError on names that are no tokens.
 */
export function managedDriver(driver: ManagedDriver, events: readonly string[]): Driver {
  const isWanted = (event: string) => events.includes("*") || events.includes(event);
  return defineDriver({
    name: driver.name,
    resources: driver.resources,
    // It has no way to Docker but its own.
    usesDocker: false,
    reconcile: async (context): Promise<DriverResult> => {
      const { payload, event, run } = context;
      if (!isWanted(event)) {
        const message = `Skipped: "${driver.name}" does not handle event "${event}"`;
        return { success: true, message, data: { skipped: true } };
      }
      const { message = "", ...result } = await driver.reconcile(payload, event, run, loggerOf(context));
      return { ...result, message };
    },
  });
}

function loggerOf({ log }: Context): DriverLogger {
  return {
    log: (message, labels = {}) =>
      log.line([message, ...Object.entries(labels).map((pair) => pair.join("="))].join(" ")),
    write: (data) => log.write("stdout", typeof data === "string" ? encoder.encode(data) : data),
  };
}
