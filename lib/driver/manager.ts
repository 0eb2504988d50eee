import type { DriverResult } from "../wire/resource.ts";
import { defineDriver } from "./define.ts";
import type { Context, Driver } from "./driver.ts";
import { type Instance, type InstanceOptions, startInstance } from "./instance.ts";

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

/** What a manager runs its driver with. */
export type ManagerParts = Omit<InstanceOptions, "driver"> & {
  /** How long events in hand may take once the manager is told to stop, milliseconds (default 1 h). */
  readonly drainMs?: number;
};

const DRAIN_MS = 3_600_000;
const encoder = new TextEncoder();

/**
 * Runs a driver the Conveyor way: `new DriverManager(driver, ["*"], connect).run()`. `events` are the operations that it
 * handles, `*` for all; others succeed at once, marked as skipped, so that a pipeline goes on. Throws InputError on names
 * that are no tokens.
 */
export class DriverManager {
  readonly #driver: Driver;
  readonly #connect: (driver: Driver) => Promise<ManagerParts>;

  constructor(
    driver: ManagedDriver,
    events: readonly string[],
    connect: (driver: Driver) => Promise<ManagerParts>,
  ) {
    this.#driver = managed(driver, events);
    this.#connect = connect;
  }

  /** Handles events until `signal` fires, then finishes those in hand. Without a signal it never resolves. */
  async run({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    const { drainMs = DRAIN_MS, ...parts } = await this.#connect(this.#driver);
    await using instance: Instance = startInstance({ ...parts, driver: this.#driver });
    await fired(signal);
    await instance.drain(drainMs);
  }
}

function managed(driver: ManagedDriver, events: readonly string[]): Driver {
  const isWanted = (event: string) => events.includes("*") || events.includes(event);
  return defineDriver({
    name: driver.name,
    resources: driver.resources,
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

function fired(signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal?.aborted) resolve();
  signal?.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}
