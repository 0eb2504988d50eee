import type { Driver } from "../driver.ts";
import { version } from "./command-line/version.ts";
import type { DescribedDriver, ProgramOptions } from "./described-driver.ts";

/**
 * Runs a standalone driver's program: reads its flags, runs until it is told to stop (by a signal of the
 * process, or by `signal`), and exits the process.
 */
export async function main(driver: Driver, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
  const own = driver.version ?? `none (conveyor-drivers ${version()})`;
  await driverProgram(driver, () => Promise.resolve(driver), { signal, version: own });
}

/** As `main`, for a driver that is loaded when it starts, so that help does not load it. */
export async function driverProgram(
  driver: DescribedDriver,
  load: () => Promise<Driver>,
  options: ProgramOptions = {},
): Promise<void> {
  // Imported lazily: every driver imports this file, even as a part of a larger program.
  const { runStandalone } = await import("./standalone-program.ts");
  await runStandalone(driver, load, options);
}
