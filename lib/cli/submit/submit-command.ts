import { newCommand } from "../../driver/program/command-line/command.ts";
import { operandsOf } from "../shared/request/operands.ts";
import { withSubmitFlags } from "./submit-flags.ts";

/**
 * `flutter-ci submit`: runs one build through a control plane. `words`: the whole command line, to find its
 * "--".
 */
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
  return withSubmitFlags(command)
    .action(async (_repository, _command, options, { args, options: flags }) => {
      const { submit } = await import("./submit.ts");
      process.exitCode = await submit({ operands: operandsOf(args, words, flags), options });
    });
}
