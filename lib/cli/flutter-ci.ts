import type { Drivers } from "./drivers.ts";
import { newCommand } from "./command.ts";
import { completionCommand, suggestionsCommand } from "./completion/completion-command.ts";
import { driverCommand } from "./driver/driver-command.ts";
import { runProgram } from "./main.ts";
import { runCommand } from "./run/run-command.ts";
import { submitCommand } from "./submit/submit-command.ts";
import { upCommand } from "./up/up-command.ts";
import { version } from "./version.ts";

/** The program `flutter-ci`: reads its words, does what they say, and ends the process. */
export function flutterCi(drivers: Drivers, words: readonly string[] = process.argv.slice(2)): Promise<void> {
  // Without a command there is nothing to do but to say what there is.
  const asked = words.every((word) => word === "-t" || word === "--toggle") ? [...words, "--help"] : words;
  return runProgram(flutterCiProgram(drivers, words), asked);
}

export function flutterCiProgram(drivers: Drivers, words: readonly string[]) {
  const program = newCommand({
    path: "flutter-ci",
    summary: "Flutter CI is a continuous integration tool for Flutter applications.",
    usage: "[flags]\n        flutter-ci [command]",
    examples: [
      ["Build the repository in this folder", "flutter-ci run"],
      ["What a command takes", "flutter-ci run --help"],
    ],
  })
    .option("-t, --toggle", "accepted, does nothing")
    .version(version(), "-v, --version", "print the version")
    .helpCommand(false);

  program.commandsGroup("Build");
  program.addCommand(runCommand(drivers, words));
  program.addCommand(submitCommand(words));
  program.commandsGroup("Drivers");
  for (const [name, load] of Object.entries(drivers).sort(byName)) {
    program.addCommand(driverCommand(name, { path: `flutter-ci ${name}`, load }));
  }
  program.commandsGroup("Serve");
  program.addCommand(upCommand(drivers));
  program.commandsGroup("Maintain");
  program.addCommand(completionCommand());
  program.addCommand(helpCommand());
  program.addCommand(suggestionsCommand(), { hidden: true });
  return program;

  function helpCommand() {
    return newCommand({
      path: "flutter-ci help",
      summary: "Say what there is, or what a command takes",
      usage: "[command]",
      examples: [["What run takes", "flutter-ci help run"]],
    })
      .argument("[command]", "command to explain")
      .action(async (name) => {
        const command = name === undefined
          ? program
          : program.commands.find((known) => known.name() === name);
        if (command) command.help();
        // Refuses the name as it would be refused without "help", with the nearest one.
        else await program.parseAsync([name ?? ""], { from: "user" });
      });
  }
}

const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => a < b ? -1 : 1;
