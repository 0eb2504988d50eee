import { BUILD_DRIVER } from "../lib/build/build-driver.ts";
import { stopContainer } from "../lib/build/stop.ts";
import { defineDriver, main } from "../lib/runtime.ts";

export const containerStop = defineDriver({
  name: "container-stop",
  ...BUILD_DRIVER,
  reconcile: stopContainer,
});

if (import.meta.main) await main(containerStop);
