import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import type { Driver } from "../driver.ts";
import { withProgramFlags } from "./command-line/program-flags.ts";
import { runProgram } from "./command-line/run-program.ts";
import type { DescribedDriver, ProgramOptions } from "./described-driver.ts";
import { driverCommand } from "./driver-command.ts";

/** Runs a driver's program, and exits the process. */
export async function runStandalone(
  driver: DescribedDriver,
  load: () => Promise<Driver>,
  options: ProgramOptions,
): Promise<void> {
  await runProgram(programOf(driver, load, options));
}

/** Returns a driver's program as a command. */
export function programOf(
  driver: DescribedDriver,
  load: () => Promise<Driver>,
  { signal, version }: ProgramOptions = {},
): CommandUnknownOpts {
  return withProgramFlags(
    driverCommand({ path: driver.name, driver, load, stop: signal }),
    undefined,
    version,
  );
}
