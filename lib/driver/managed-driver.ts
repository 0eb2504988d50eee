import type { DriverResult } from "../wire/resource.ts";
import { defineDriver } from "./define.ts";
import type { Context, Driver } from "./driver.ts";

/** A driver with the interface of Conveyor's own SDKs. */
export interface ManagedDriver {
  /** A subject token. */
  readonly name: string;
  readonly resources: readonly string[];
  /** `payload` is the resource as JSON text. The step fails if it returns `success: false` or throws. */
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

/** The run's log. Calls wait while the log cannot be stored. */
export interface DriverLogger {
  /**
   * Writes a line. Labels are appended to the message as `name=value`, since a log line has no field for
   * them.
   */
  log(message: string, labels?: Readonly<Record<string, string>>): Promise<void>;
  /** Writes output of a program; its lines need not be complete. */
  write(data: Uint8Array | string): Promise<void>;
}

const encoder = new TextEncoder();

/**
 * Adapts a managed driver. `events` are the operations that it handles, `*` for all; other events succeed at
 * once with `skipped` in their data, so that the pipeline goes on. Throws InputError if a name is not a
 * token.
 */
export function managedDriver(driver: ManagedDriver, events: readonly string[]): Driver {
  const isWanted = (event: string) => events.includes("*") || events.includes(event);
  return defineDriver({
    name: driver.name,
    resources: driver.resources,
    // A managed driver does not get our Docker client.
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
