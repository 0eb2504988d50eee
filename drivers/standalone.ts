import { standalone } from "../lib/cli/standalone.ts";

/** Put in by `scripts/build`: which driver the file is. What is for the others is left out of it. */
declare const CONVEYOR_DRIVER: string;

if (CONVEYOR_DRIVER === "container-start") {
  await standalone(CONVEYOR_DRIVER, async () => (await import("./container-start.ts")).containerStart);
} else if (CONVEYOR_DRIVER === "git-cloner") {
  await standalone(CONVEYOR_DRIVER, async () => (await import("./git-cloner.ts")).gitCloner);
} else if (CONVEYOR_DRIVER === "builder") {
  await standalone(CONVEYOR_DRIVER, async () => (await import("./builder.ts")).builder);
} else if (CONVEYOR_DRIVER === "container-stop") {
  await standalone(CONVEYOR_DRIVER, async () => (await import("./container-stop.ts")).containerStop);
}
