import type { Driver } from "../../driver/driver.ts";
import { BUILD_DRIVER } from "../../build/build-driver.ts";
import type { BuildPolicy } from "../../build/policy.ts";
import type { Drivers } from "../shared/drivers.ts";

/**
 * Returns the drivers of one run. Each is loaded when its step begins, or from `idle` on while the previous
 * one waits for Docker, so the first container does not wait for the code of the last step. They admit every
 * event, because there is only one run.
 */
export function lazyDrivers(drivers: Drivers, idle: Promise<void>): Driver<BuildPolicy>[] {
  const loads = Object.values(drivers);
  return Object.entries(drivers).map(([name, load], i) => ({
    name,
    resources: BUILD_DRIVER.resources,
    secretsIn: BUILD_DRIVER.secretsIn,
    async reconcile(context) {
      const driver = await load();
      const working = driver.reconcile(context);
      // A failed load fails again when the driver is needed.
      void idle.then(loads[i + 1]).catch(() => {});
      return await working;
    },
  }));
}
