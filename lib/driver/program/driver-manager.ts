import { aborted } from "../../base/signals.ts";
import type { Driver } from "../driver.ts";
import { type InstanceOptions, startInstance } from "../instance.ts";
import { type ManagedDriver, managedDriver } from "../managed-driver.ts";
import { main } from "./main.ts";

/** The parts with which a manager runs its driver, instead of reading flags. */
export type ManagerParts = Omit<InstanceOptions, "driver"> & {
  /** How long events in hand may take once the manager is told to stop, milliseconds (default 1 h). */
  readonly drainMs?: number;
};

const DRAIN_MS = 3_600_000;

/**
 * Runs a driver with the interface of Conveyor's SDKs: `new DriverManager(driver, ["*"]).run()`. `events` are
 * the operations that it handles, `*` for all; other events succeed at once with `skipped` in their data, so
 * that the pipeline goes on. Throws InputError if a name is not a token.
 */
export class DriverManager {
  /** The adapted driver, for `testDriver`. */
  readonly driver: Driver;
  readonly #connect: ((driver: Driver) => Promise<ManagerParts>) | undefined;

  /** `connect` replaces the flags of the process. */
  constructor(
    driver: ManagedDriver,
    events: readonly string[],
    connect?: (driver: Driver) => Promise<ManagerParts>,
  ) {
    this.driver = managedDriver(driver, events);
    this.#connect = connect;
  }

  /**
   * Handles events until `signal` aborts, then finishes those in hand. Without `connect` it is the whole
   * program, like `main`: it reads a driver's flags and variables, also stops at a signal of the process, and
   * exits the process. With `connect` and without `signal` it never resolves.
   */
  async run({ signal = new AbortController().signal }: { signal?: AbortSignal } = {}): Promise<void> {
    if (!this.#connect) return await main(this.driver, { signal });
    const { drainMs = DRAIN_MS, ...parts } = await this.#connect(this.driver);
    await using instance = startInstance({ ...parts, driver: this.driver });
    await aborted(signal);
    await instance.drain(drainMs);
  }
}
