import { newCommand } from "../../driver/program/command-line/command.ts";
import type { Drivers } from "../shared/drivers.ts";
import { withOwnPolicies } from "../shared/own-policies.ts";
import { operandsOf } from "../shared/request/operands.ts";
import { withRunFlags } from "./run-flags.ts";

/**
 * `flutter-ci run`: runs one build on this machine, in this process. `words`: the whole command line, to find
 * its "--".
 */
export async function runCommand(drivers: Drivers, words: readonly string[]) {
  const text = {
    path: "flutter-ci run",
    summary: "Build a repository on this machine, once",
    description:
      "Build a repository on this machine, once: in a container of its own, which is gone afterwards.\n" +
      "The repository is an https or ssh URL, or a folder (default: this one), of which the committed state is built.\n" +
      "How it is built is said by flags, by a file (-f), else by the .conveyor.yaml at its root; a Flutter application needs neither.\n" +
      'The words after "--" are one command, without a shell.',
    usage: "[flags] [repository] [-- command ...]",
    examples: [
      ["Build the Flutter application in this folder", "flutter-ci run"],
      [
        "Anything else: an image, commands, and what to keep",
        "flutter-ci run --image gcc:14 -c ./configure -c make -a 'libz.*' https://git.example.com/zlib.git",
      ],
      ["One command, as its arguments", "flutter-ci run --image node:24 -- npm test"],
      ["A secret of the caller's environment", "flutter-ci run --secret API_KEY"],
      ["Everything in a file, for a script", "flutter-ci run -f build.yaml --json"],
    ],
  } as const;
  const make = () =>
    withRunFlags(
      newCommand(text)
        .argument("[repository]", "https or ssh URL, or a folder")
        .argument("[command...]", 'after "--"'),
    );
  const command = await withOwnPolicies(make(), make(), words);
  return command
    .action(async (_repository, _command, options, { args, options: flags }) => {
      const { run } = await import("./run.ts");
      const input = { operands: operandsOf(args, words, flags), options, drivers };
      if (options.watch !== true) {
        process.exitCode = await run(input);
        return;
      }
      const { watch } = await import("./watch.ts");
      process.exitCode = await watch(input);
    });
}
