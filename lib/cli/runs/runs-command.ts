import { newCommand } from "../../driver/program/command-line/command.ts";
import { flag } from "../../driver/program/command-line/flag.ts";
import { oneOf, text, wholeNumber } from "../../driver/program/command-line/values.ts";
import { RUN_STATUSES } from "../../engine/core/run-view.ts";
import { withRunsFlags } from "../shared/runs/runs-flags.ts";

const LIMIT = 20;

/** `flutter-ci runs`: lists runs. */
export function runsCommand() {
  const command = newCommand({
    path: "flutter-ci runs",
    summary: "List runs",
    description: "List runs, newest first.",
    examples: [
      ["Those that have failed", "flutter-ci runs --status failed"],
      ["Of a control plane, for a script", "flutter-ci runs --api https://ci.example.com --json"],
    ],
  })
    .addOption(flag("--status <status>", "only those of this status", oneOf([...RUN_STATUSES, "open"])))
    .addOption(flag("--resource <name>", "only those of this resource", text))
    .addOption(flag("--limit <n>", "so many at most", wholeNumber(1)).default(LIMIT));
  return withRunsFlags(command).action(async (options) => {
    const { runs } = await import("./runs.ts");
    await runs(options);
  });
}
