import {
  logFormatFlag,
  logLevelFlag,
  newCommand,
  VARIABLES_NOTE,
} from "../../driver/program/command-line/command.ts";
import { flag, switchFlag } from "../../driver/program/command-line/flag.ts";
import { CACHE_LIMITS } from "../../build/cache/limits.ts";
import { withPolicyFlags } from "../../driver/program/policy-flags.ts";
import { duration, text } from "../../driver/program/command-line/values.ts";

/** `flutter-ci gc`. */
export function gcCommand() {
  const command = newCommand({
    path: "flutter-ci gc",
    summary: "Remove what no live run owns",
    description:
      "Remove what no live run owns: containers, volumes and networks that runs of this data folder have left on\n" +
      "Docker. Runs whose process is gone are ended. A container that was kept for a look is listed and stays until it\n" +
      "expires. Caches of builds are listed, and those removed that are too old or too many.\n" +
      "\n" +
      "What belongs to other data folders and control planes is only touched with --all-owners: then what has expired\n" +
      "by its label, an hour after the timeout of its run, and was made at least a day ago (--older-than). Their caches\n" +
      "stay.",
    examples: [
      ["See what would go", "flutter-ci gc --dry-run"],
      ["Remove all caches", "flutter-ci gc --cache-max 0"],
      ["See what data folders that are gone have left", "flutter-ci gc --all-owners --dry-run"],
    ],
  });
  return withPolicyFlags(command, CACHE_LIMITS)
    .addOption(switchFlag("--dry-run", "only say what would be removed"))
    .addOption(
      flag("--older-than <time>", "only what was made at least this long ago", duration)
        .default(undefined, "any age; with --all-owners 24h for what others own"),
    )
    .addOption(switchFlag("--all-owners", "also what expired runs of other data folders have left"))
    .addOption(
      flag("--docker <endpoint>", "where Docker is", text).default(undefined, "where docker itself finds it"),
    )
    .addOption(flag("--data <dir>", "data folder", text).default(undefined, "$XDG_STATE_HOME/flutter-ci"))
    .addOption(switchFlag("--json", "one JSON object a line on stdout, nothing else"))
    .addOption(logLevelFlag())
    .addOption(logFormatFlag())
    .addHelpText("after", VARIABLES_NOTE)
    .action(async (options) => {
      const { gc } = await import("./gc.ts");
      await gc(options);
    });
}
