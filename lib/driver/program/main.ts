import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import type { Driver } from "../driver.ts";
import { version } from "./command-line/version.ts";
import type { DescribedDriver } from "./described-driver.ts";

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
  const [program, { runProgram }] = await Promise.all([
    programOf(driver, load, options),
    import("./command-line/run-program.ts"),
  ]);
  await runProgram(program);
}

interface ProgramOptions {
  readonly signal?: AbortSignal | undefined;
  readonly version?: string;
}

/** Returns a driver's program as a command. */
export async function programOf(
  driver: DescribedDriver,
  load: () => Promise<Driver>,
  { signal, version }: ProgramOptions = {},
): Promise<CommandUnknownOpts> {
  // Imported lazily: every driver imports this file, even as a part of a larger program.
  const [{ driverCommand }, { withProgramFlags }] = await Promise.all([
    import("./driver-command.ts"),
    import("./command-line/program-flags.ts"),
  ]);
  const program = driverCommand({ path: driver.name, driver, load, stop: signal });
  return withProgramFlags(program, undefined, version);
}
