import { driverProgram } from "../../lib/driver/program/main.ts";

/** Which driver this is the program of: set when it is compiled, so that the others are not in it. */
declare const CONVEYOR_DRIVER: string;

if (CONVEYOR_DRIVER === "container-start") {
  await driverProgram(
    CONVEYOR_DRIVER,
    ["flutter-builder"],
    async () => (await import("../../drivers/container-start.ts")).containerStart,
  );
}
if (CONVEYOR_DRIVER === "builder") {
  await driverProgram(
    CONVEYOR_DRIVER,
    ["flutter-builder"],
    async () => (await import("../../drivers/builder.ts")).builder,
  );
}
