import { basename } from "node:path";
import type { Command, CommandUnknownOpts } from "@commander-js/extra-typings";
import type { Drivers } from "./shared/drivers.ts";
import { newCommand } from "../driver/program/command-line/command.ts";
import { completionCommand, suggestionsCommand } from "./completion/completion-command.ts";
import { describedDriver, standalone } from "./standalone.ts";
import { runProgram } from "../driver/program/command-line/run-program.ts";
import { withProgramFlags } from "../driver/program/command-line/program-flags.ts";

/**
 * Runs the program `flutter-ci` and ends the process. If the program is called by a driver's name, through a
 * link or a copy, it is that driver's program.
 */
export async function flutterCi(
  drivers: Drivers,
  words: readonly string[] = process.argv.slice(2),
  calledAs: string = basename(process.argv0),
): Promise<void> {
  const load = Object.hasOwn(drivers, calledAs) ? drivers[calledAs] : undefined;
  if (load) return await standalone(calledAs, load);
  // Without a command, show the help.
  const asked = words.every((word) => word === "-t" || word === "--toggle") ? [...words, "--help"] : words;
  await runProgram(() => flutterCiProgram(drivers, words), asked);
}

/**
 * Returns the program with all its commands. If the first of `words` is a command, loads and adds that
 * command only.
 */
export async function flutterCiProgram(drivers: Drivers, words: readonly string[] = []): Promise<Command> {
  const program = withProgramFlags(
    newCommand({
      path: "flutter-ci",
      summary: "Flutter CI is a continuous integration tool for Flutter applications.",
      usage: "[flags]\n        flutter-ci [command]",
      examples: [
        ["Build the repository in this folder", "flutter-ci run"],
        ["What a command takes", "flutter-ci run --help"],
      ],
    }).option("-t, --toggle", "accepted, does nothing"),
  )
    .helpCommand(false)
    // The program's own flags come before the command. After it, flags belong to the command.
    .enablePositionalOptions();

  const groups = groupsOf(drivers, words);
  const [first = ""] = words;
  const isNamed = NEEDS_NO_COMMANDS.includes(first) ||
    Object.values(groups).some((commands) => Object.hasOwn(commands, first));
  for (const [group, commands] of Object.entries(groups)) {
    program.commandsGroup(group);
    for (const [name, make] of Object.entries(commands)) {
      if (!isNamed || name === first) program.addCommand(await make());
    }
  }
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
        // Refuses the name as without "help", with the nearest command.
        else await program.parseAsync([name ?? ""], { from: "user" });
      });
  }
}

/** The larger commands by group and name, in the order of the help. */
function groupsOf(
  drivers: Drivers,
  words: readonly string[],
): Record<string, Record<string, () => Promise<CommandUnknownOpts>>> {
  const starting = async (name: string, load: Drivers[string]) => {
    const { driverCommand } = await import("../driver/program/driver-command.ts");
    return driverCommand({ path: `flutter-ci ${name}`, driver: await describedDriver(name), load });
  };
  return {
    Build: {
      run: async () => (await import("./run/run-command.ts")).runCommand(drivers, words),
      submit: async () => (await import("./submit/submit-command.ts")).submitCommand(words),
      init: async () => (await import("./init/init-command.ts")).initCommand(),
    },
    Drivers: Object.fromEntries(
      Object.entries(drivers).sort(byName).map(([name, load]) => [name, () => starting(name, load)]),
    ),
    Serve: {
      up: async () => (await import("./up/up-command.ts")).upCommand(drivers, words),
    },
    Inspect: {
      runs: async () => (await import("./runs/runs-command.ts")).runsCommand(),
      show: async () => (await import("./show/show-command.ts")).showCommand(),
      logs: async () => (await import("./logs/logs-command.ts")).logsCommand(),
      artifacts: async () => (await import("./artifacts/artifacts-command.ts")).artifactsCommand(),
      cancel: async () => (await import("./cancel/cancel-command.ts")).cancelCommand(),
      retry: async () => (await import("./retry/retry-command.ts")).retryCommand(drivers),
      apply: async () => (await import("./apply/apply-command.ts")).applyCommand(),
      delete: async () => (await import("./delete/delete-command.ts")).deleteCommand(),
    },
    Author: {
      new: async () => (await import("./new/new-command.ts")).newThingCommand(),
    },
    Maintain: {
      doctor: async () => (await import("./doctor/doctor-command.ts")).doctorCommand(),
      gc: async () => (await import("./gc/gc-command.ts")).gcCommand(),
    },
  };
}

/** First words that need none of those commands. */
const NEEDS_NO_COMMANDS = ["completion", "-v", "--version", "--licenses"];

const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => a < b ? -1 : 1;
