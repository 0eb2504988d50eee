import type { Driver } from "../../driver/driver.ts";
import { FLUTTER_BUILDER } from "../../build/spec.ts";
import type { Drivers } from "../shared/drivers.ts";

/**
 * The drivers of one run. Each is loaded when its step begins, or while the one before it waits for Docker, so that the
 * first container does not have to wait for the code of the last step. They admit every event: there is one run.
 */
export function lazyDrivers(drivers: Drivers): Driver[] {
  const loads = Object.values(drivers);
  return Object.entries(drivers).map(([name, load], i) => ({
    name,
    resources: [FLUTTER_BUILDER],
    async reconcile(context) {
      const driver = await load();
      const working = driver.reconcile(context);
      // What goes wrong here goes wrong again when it is needed.
      loads[i + 1]?.().catch(() => {});
      return await working;
    },
  }));
}
