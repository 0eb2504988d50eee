import { newCommand } from "../../driver/program/command-line/command.ts";
import type { Drivers } from "../shared/drivers.ts";
import { RUN_ARGUMENT } from "../shared/runs/resolve-run.ts";
import { withRetryFlags } from "./retry-flags.ts";

/** `flutter-ci retry RUN`. */
export function retryCommand(drivers: Drivers) {
  const command = newCommand({
    path: "flutter-ci retry",
    summary: "Do a run again",
    description: "Do a run again: a new run of the same version of the same resource.\n" +
      "One of a control plane is started there. One that run left in --data is done here, as run does it.\n" +
      "Secrets are not kept: those that the build names are taken from the caller's environment once more.",
    usage: "[flags] <run>",
    examples: [["The newest one", "flutter-ci retry last"]],
  })
    .argument("<run>", RUN_ARGUMENT);
  return withRetryFlags(command).action(async (run, options) => {
    const { retry } = await import("./retry.ts");
    process.exitCode = await retry(run, { options, drivers });
  });
}
