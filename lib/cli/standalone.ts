import { FLUTTER_BUILDER } from "../build/flutter-builder.ts";
import type { DescribedDriver } from "../driver/program/described-driver.ts";
import { driverProgram } from "../driver/program/main.ts";
import type { Drivers } from "./shared/drivers.ts";

/**
 * Runs one of the four drivers as a program. Loads the driver at its start, so its help and version need not
 * wait for it.
 */
export async function standalone(name: string, load: Drivers[string]): Promise<void> {
  await driverProgram(await describedDriver(name), load);
}

/** Returns the description from which a driver's flags are made. */
export async function describedDriver(name: string): Promise<DescribedDriver> {
  const { BUILD_POLICY } = await import("../build/policy-flags.ts");
  return { name, resources: [FLUTTER_BUILDER], policy: BUILD_POLICY };
}
