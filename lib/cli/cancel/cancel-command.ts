import { newCommand } from "../../driver/program/command-line/command.ts";
import { RUN_ARGUMENT } from "../shared/runs/resolve-run.ts";
import { withRunsFlags } from "../shared/runs/runs-flags.ts";

/** `flutter-ci cancel RUN`. */
export function cancelCommand() {
  const command = newCommand({
    path: "flutter-ci cancel",
    summary: "Cancel a run",
    description: "Cancel a run: its commands are ended, and what always runs cleans up after it.",
    usage: "[flags] <run>",
    examples: [["The newest one", "flutter-ci cancel last"]],
  }).argument("<run>", RUN_ARGUMENT);
  return withRunsFlags(command).action(async (run, options) => {
    const { cancel } = await import("./cancel.ts");
    await cancel(run, options);
  });
}
