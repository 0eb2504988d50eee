import type { Driver } from "../driver.ts";
import { version } from "./command-line/version.ts";

/**
 * The whole of a standalone driver's program: reads its flags, runs until it is told to stop (by a signal of the process, or
 * by `signal`), and ends the process.
 */
export async function main(driver: Driver, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
  // Not before it is needed: every driver imports this file, also where it is a part of something larger.
  const [{ driverCommand }, { runProgram }] = await Promise.all([
    import("./driver-command.ts"),
    import("./command-line/run-program.ts"),
  ]);
  const program = driverCommand(driver.name, {
    path: driver.name,
    resources: driver.resources,
    load: () => Promise.resolve(driver),
    stop: signal,
  });
  const shown = driver.version ??
    `${driver.name} without a version of its own (conveyor-drivers ${version()})`;
  await runProgram(program.version(shown, "-v, --version", "print the version"));
}
