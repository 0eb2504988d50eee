import type { Command, OptionValues } from "@commander-js/extra-typings";
import { logFormatFlag, logLevelFlag, VARIABLES_NOTE } from "../../../driver/program/command-line/command.ts";
import { flag, switchFlag } from "../../../driver/program/command-line/flag.ts";
import { httpUrl, text } from "../../../driver/program/command-line/values.ts";

/** Adds the flags that select which runs a command uses, and its output. */
export function withRunsFlags<A extends unknown[], O extends OptionValues, G extends OptionValues>(
  command: Command<A, O, G>,
) {
  return withWhoseFlags(command.addOption(flag("--tls-ca <file>", "authorities to trust, PEM", text)));
}

/** Like `withRunsFlags` without `--tls-ca`, for a command that already has it. */
export function withWhoseFlags<A extends unknown[], O extends OptionValues, G extends OptionValues>(
  command: Command<A, O, G>,
) {
  return command
    .addOption(
      flag("--api <url>", "control plane", httpUrl)
        .default(undefined, "one on this machine that serves --data, else the runs that run left there"),
    )
    .addOption(
      flag("--token-file <file>", "file that holds its token (or CONVEYOR_TOKEN)", text)
        .default(undefined, "the token in --data, for one on this machine"),
    )
    .addOption(flag("--data <dir>", "data folder", text).default(undefined, "$XDG_STATE_HOME/flutter-ci"))
    .addOption(switchFlag("--json", "one JSON object a line on stdout, nothing else"))
    .addOption(logLevelFlag())
    .addOption(logFormatFlag())
    .addHelpText("after", VARIABLES_NOTE);
}
