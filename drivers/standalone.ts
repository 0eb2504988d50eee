import { answersEarly } from "../lib/cli/early-answer.ts";

/** The name of this file's driver, set by `scripts/build`, which removes the code of the others. */
declare const CONVEYOR_DRIVER: string;

if (!answersEarly(CONVEYOR_DRIVER, process.argv.slice(2))) {
  const { standalone } = await import("../lib/cli/standalone.ts");
  if (CONVEYOR_DRIVER === "container-start") {
    await standalone(CONVEYOR_DRIVER, async () => (await import("./container-start.ts")).containerStart);
  } else if (CONVEYOR_DRIVER === "git-cloner") {
    await standalone(CONVEYOR_DRIVER, async () => (await import("./git-cloner.ts")).gitCloner);
  } else if (CONVEYOR_DRIVER === "builder") {
    await standalone(CONVEYOR_DRIVER, async () => (await import("./builder.ts")).builder);
  } else if (CONVEYOR_DRIVER === "container-stop") {
    await standalone(CONVEYOR_DRIVER, async () => (await import("./container-stop.ts")).containerStop);
  }
}
