import { aborted } from "../../base/signals.ts";
import type { Driver } from "../driver.ts";
import { type InstanceOptions, startInstance } from "../instance.ts";
import { type ManagedDriver, managedDriver } from "../managed-driver.ts";
import { main } from "./main.ts";

/** What a manager runs its driver with, where it does not read that from flags. */
export type ManagerParts = Omit<InstanceOptions, "driver"> & {
  /** How long events in hand may take once the manager is told to stop, milliseconds (default 1 h). */
  readonly drainMs?: number;
};

const DRAIN_MS = 3_600_000;

/**
 * Runs a driver the Conveyor way: `new DriverManager(driver, ["*"]).run()`. `events` are the operations that it handles, `*`
 * for all; others succeed at once, marked as skipped, so that a pipeline goes on. Throws InputError on names that are no
 * tokens.
 */
export class DriverManager {
  /** The driver as this runtime knows it, for `testDriver`. */
  readonly driver: Driver;
  readonly #connect: ((driver: Driver) => Promise<ManagerParts>) | undefined;

  /** `connect` in the place of the flags of the process. */
  constructor(
    driver: ManagedDriver,
    events: readonly string[],
    connect?: (driver: Driver) => Promise<ManagerParts>,
  ) {
    this.driver = managedDriver(driver, events);
    this.#connect = connect;
  }

  /**
   * Handles events until `signal` fires, then finishes those in hand. Without `connect` it is the whole program, as `main`
   * is: it reads the flags of a driver and its variables, stops at a signal of the process too, and ends the process. With
   * `connect` and without `signal` it never resolves.
   */
  async run({ signal = new AbortController().signal }: { signal?: AbortSignal } = {}): Promise<void> {
    if (!this.#connect) return await main(this.driver, { signal });
    const { drainMs = DRAIN_MS, ...parts } = await this.#connect(this.driver);
    await using instance = startInstance({ ...parts, driver: this.driver });
    await aborted(signal);
    await instance.drain(drainMs);
  }
}
