import { Option } from "@commander-js/extra-typings";
import { InputError } from "../../base/errors.ts";
import { newCommand } from "../../driver/program/command-line/command.ts";
import { flag, switchFlag } from "../../driver/program/command-line/flag.ts";
import { withBuildFlags, withOutputFlags } from "../shared/request/build-flags.ts";
import { operandsOf } from "../shared/request/operands.ts";
import { httpUrl, text } from "../../driver/program/command-line/values.ts";

/** `flutter-ci submit`: one build, through a control plane. `words` is the whole command line, for its "--". */
export function submitCommand(words: readonly string[]) {
  const command = newCommand({
    path: "flutter-ci submit",
    summary: "Build a repository through a control plane",
    description: "Build a repository through a control plane, on any of its hosts, and follow it here.\n" +
      "The repository is an https or ssh URL that the hosts can reach. Flags, output and exit codes are those of run,\n" +
      "within what the operators of the drivers allow: a build that asks for more fails, and says what for.\n" +
      "Secrets, and of the git tokens those for the repository's host (with --submodules all), are kept encrypted until\n" +
      "the run has ended.",
    usage: "[flags] [repository] [-- command ...]",
    examples: [
      ["Through the control plane on this machine", "flutter-ci submit https://git.example.com/app.git"],
      [
        "Through another one, without waiting for it",
        "flutter-ci submit --api https://ci.example.com --token-file token --detach https://git.example.com/app.git",
      ],
      [
        "A private repository",
        "flutter-ci submit --git-token git.example.com=git-token https://git.example.com/app.git",
      ],
    ],
  })
    .argument("[repository]", "https or ssh URL")
    .argument("[command...]", 'after "--"');
  const withApi = withBuildFlags(command)
    .optionsGroup("Control plane:")
    .addOption(flag("--api <url>", "control plane", httpUrl).default("http://127.0.0.1:8080"))
    .addOption(
      flag("--token-file <file>", "file that holds its token (or CONVEYOR_TOKEN)", text)
        .default(undefined, "the token in --data, for one on this machine"),
    )
    .addOption(flag("--tls-ca <file>", "authorities to trust, PEM", text))
    .addOption(
      flag("--data <dir>", "data folder of a control plane on this machine", text)
        .default(undefined, "$XDG_STATE_HOME/flutter-ci"),
    )
    .addOption(switchFlag("--detach", "print the run's id and leave"));
  for (const option of operatorsFlags()) withApi.addOption(option);
  return withOutputFlags(withApi)
    .action(async (_repository, _command, options, { args }) => {
      const { submit } = await import("./submit.ts");
      process.exitCode = await submit({ operands: operandsOf(args, words), options });
    });
}

const OPERATORS_FLAGS = [
  ["--docker <endpoint>", "Which Docker builds run on"],
  ["--git-image <image>", "Which image clones where a token is used"],
  ["--git-known-hosts <file>", "Which host keys are believed"],
  ["--git-well-known-hosts <use>", "Which host keys are believed"],
] as const;

/** Known from `run`, so they are answered and not called unknown. Their variables may be set for `run`, and mean nothing here. */
function operatorsFlags(): Option[] {
  return OPERATORS_FLAGS.map(([usage, what]) =>
    new Option(usage).hideHelp().argParser((): never => {
      const name = usage.split(" ")[0];
      throw new InputError(
        `${name}: ${what} is not up to the submitter: each driver has its own, which its operator names (flutter-ci container-start ${name} …)`,
      );
    })
  );
}

/** The flags of `submit`, read. */
export type SubmitOptions = ReturnType<ReturnType<typeof submitCommand>["opts"]>;
