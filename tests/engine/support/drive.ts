import type { DriverResult } from "../../../lib/wire/resource.ts";
import { type Job, scriptedDriver } from "./scripted-driver.ts";
import type { World } from "./world.ts";

/** The result of a successful step. */
export const OK: DriverResult = { success: true, message: "fine" };

/** Starts a driver that succeeds, or returns what `work` does, until the world ends. */
export async function drive(
  world: World,
  driver: string,
  work: (job: Job) => DriverResult = () => OK,
): Promise<void> {
  world.use(await scriptedDriver(world.transport, driver, work));
}
