import { newCommand } from "../../driver/program/command-line/command.ts";
import { flag, switchFlag } from "../../driver/program/command-line/flag.ts";
import { text } from "../../driver/program/command-line/values.ts";
import { RUN_ARGUMENT } from "../shared/runs/resolve-run.ts";
import { withRunsFlags } from "../shared/runs/runs-flags.ts";

/** `flutter-ci logs RUN`. */
export function logsCommand() {
  const command = newCommand({
    path: "flutter-ci logs",
    summary: "Print the log of a run",
    usage: "[flags] <run>",
    examples: [
      ["Of the newest one, until it has ended", "flutter-ci logs -f last"],
      ["Of one step", "flutter-ci logs --step builder 1f3a"],
    ],
  })
    .argument("<run>", RUN_ARGUMENT)
    .addOption(switchFlag("-f, --follow", "go on until the run has ended"))
    .addOption(flag("--step <id>", "only the lines of this step", text));
  return withRunsFlags(command).action(async (run, options) => {
    const { logs } = await import("./logs.ts");
    await logs(run, options);
  });
}
