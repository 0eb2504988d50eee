import { FLUTTER_BUILDER } from "../build/flutter-builder.ts";
import type { DescribedDriver } from "../driver/program/described-driver.ts";
import { driverProgram } from "../driver/program/main.ts";
import type { Drivers } from "./shared/drivers.ts";

/** The program of one of the four drivers, which is loaded when it starts: its help and version do not wait for it. */
export async function standalone(name: string, load: Drivers[string]): Promise<void> {
  await driverProgram(await describedDriver(name), load);
}

/** What the flags of one of the four are made from. */
export async function describedDriver(name: string): Promise<DescribedDriver> {
  const { BUILD_POLICY } = await import("../build/policy-flags.ts");
  return { name, resources: [FLUTTER_BUILDER], policy: BUILD_POLICY };
}
