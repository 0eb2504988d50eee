import { newCommand } from "../../driver/program/command-line/command.ts";
import { RUN_ARGUMENT } from "../shared/runs/resolve-run.ts";
import { withRunsFlags } from "../shared/runs/runs-flags.ts";

/** `flutter-ci show RUN`. */
export function showCommand() {
  const command = newCommand({
    path: "flutter-ci show",
    summary: "Show a run: its steps, how they ended, and its artifacts",
    usage: "[flags] <run>",
    examples: [["The newest one", "flutter-ci show last"], [
      "By the beginning of its id",
      "flutter-ci show 1f3a",
    ]],
  }).argument("<run>", RUN_ARGUMENT);
  return withRunsFlags(command).action(async (run, options) => {
    const { show } = await import("./show.ts");
    await show(run, options);
  });
}
