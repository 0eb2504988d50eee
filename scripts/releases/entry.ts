import { standalone } from "../../lib/cli/standalone.ts";

/** Which driver this is the program of: set when it is compiled, so that the others are not in it. */
declare const CONVEYOR_DRIVER: string;

if (CONVEYOR_DRIVER === "container-start") {
  await standalone(
    CONVEYOR_DRIVER,
    async () => (await import("../../drivers/container-start.ts")).containerStart,
  );
}
if (CONVEYOR_DRIVER === "builder") {
  await standalone(
    CONVEYOR_DRIVER,
    async () => (await import("../../drivers/builder.ts")).builder,
  );
}
