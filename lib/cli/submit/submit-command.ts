import { Option } from "@commander-js/extra-typings";
import { InputError } from "../../base/errors.ts";
import { newCommand } from "../command.ts";
import { flag, switchFlag } from "../flag.ts";
import { withBuildFlags, withOutputFlags } from "../run/build-flags.ts";
import { operandsOf } from "../run/operands.ts";
import { httpUrl, text } from "../values.ts";

/** `flutter-ci submit`: one build, through a control plane. `words` is the whole command line, for its "--". */
export function submitCommand(words: readonly string[]) {
  const command = newCommand({
    path: "flutter-ci submit",
    summary: "Build a repository through a control plane",
    description: "Build a repository through a control plane, on any of its hosts, and follow it here.\n" +
      "The repository is an https or ssh URL that the hosts can reach. Flags, output and exit codes are those of run,\n" +
      "within what the operators of the drivers allow: a build that asks for more fails, and says what for.\n" +
      "Secrets, and of the git tokens the one for the repository's host, are kept encrypted until the run has ended.",
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
    .addOption(switchFlag("--detach", "print the run's id and leave"))
    .addOption(dockerFlag());
  return withOutputFlags(withApi)
    .action(async (_repository, _command, options, { args }) => {
      const { submit } = await import("./submit.ts");
      process.exitCode = await submit({ operands: operandsOf(args, words), options });
    });
}

/** Known from `run`, so it is answered and not called unknown. Its variable may be set for `run`, and means nothing here. */
function dockerFlag() {
  return new Option("--docker <endpoint>").hideHelp().argParser((): never => {
    throw new InputError(
      "--docker: Which Docker builds run on is not up to who submits them: each driver works with its own, " +
        "which its operator names (flutter-ci container-start --docker …)",
    );
  });
}

/** The flags of `submit`, read. */
export type SubmitOptions = ReturnType<ReturnType<typeof submitCommand>["opts"]>;
