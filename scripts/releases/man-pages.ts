import type { Command, CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import { join } from "node:path";
import { variableOf } from "../../lib/driver/program/command-line/flag.ts";

/** Of a release: its version, and its time in seconds. */
interface Edition {
  readonly version: string;
  readonly time: number;
}

/**
 * Man pages by file name: one for `flutter-ci`, one for each of its commands, one for each driver's program.
 */
export async function manPagesOf(
  root: string,
  drivers: readonly string[],
  edition: Edition,
): Promise<Readonly<Record<string, string>>> {
  // Named by a path that the compiler does not follow: all of lib would be checked once more, with the types
  // of Bun.
  const { flutterCiProgram } = await import(join(root, "lib/cli/flutter-ci.ts")) as {
    flutterCiProgram(drivers: Record<string, () => Promise<unknown>>): Promise<Command>;
  };
  const unused = () => Promise.reject(new Error("A man page needs no driver"));
  const program = await flutterCiProgram(Object.fromEntries(drivers.map((name) => [name, unused])));
  const commands = program.createHelp().visibleCommands(program);
  const pages = [
    pageOf(program, "flutter-ci", edition, commands),
    ...commands.map((command) => pageOf(command, `flutter-ci ${command.name()}`, edition)),
    ...commands.filter((command) => drivers.includes(command.name()))
      .map((command) => pageOf(command, command.name(), edition)),
  ];
  return Object.fromEntries(pages);
}

function pageOf(
  command: CommandUnknownOpts,
  path: string,
  { version, time }: Edition,
  commands: readonly CommandUnknownOpts[] = [],
): [file: string, text: string] {
  const name = path.replace(" ", "-");
  const day = new Date(time * 1000).toISOString().slice(0, 10);
  const options = command.options.filter(({ hidden }) => !hidden);
  const lines = [
    `.TH ${name.toUpperCase()} 1 ${day} "flutter-ci ${version}" "Conveyor drivers"`,
    ".SH NAME",
    `${escaped(name)} \\- ${escaped(command.summary() || command.description().split("\n")[0] || path)}`,
    ".SH SYNOPSIS",
    `.B ${escaped(path)}`,
    escaped(command.usage().replaceAll(/\s+/g, " ")),
    ".SH DESCRIPTION",
    ...paragraph(command.description()),
    ...commands.length === 0 ? [] : [".SH COMMANDS", ...commands.flatMap(commandItem)],
    ...options.length === 0 ? [] : [".SH OPTIONS", ...options.flatMap(optionItem)],
    ...commands.length === 0
      ? [".SH SEE ALSO", ".BR flutter\\-ci (1)"]
      : [".SH SEE ALSO", "Each command has a page of its own, as", ".BR flutter\\-ci\\-run (1)."],
  ];
  return [`${name}.1`, `${lines.join("\n")}\n`];
}

const commandItem = (command: CommandUnknownOpts): string[] => [
  ".TP",
  `.B ${escaped(command.name())}`,
  ...paragraph(command.summary()),
];

function optionItem(option: Option): string[] {
  const { flags, long, description, argChoices, defaultValue, defaultValueDescription } = option;
  const without = defaultValueDescription ?? defaultValue;
  const facts = [
    /[.?!]$/.test(description) ? description : `${description}.`,
    ...argChoices ? [`One of ${argChoices.join(", ")}.`] : [],
    ...without === undefined ? [] : [`Default: ${without}.`],
    ...long && !["--help", "--version", "--licenses"].includes(long)
      ? [`Variable: ${variableOf(long)}.`]
      : [],
  ];
  return [".TP", `.B ${escaped(flags)}`, ...paragraph(facts.join(" \n"))];
}

const paragraph = (text: string): string[] => text.split("\n").map((line) => escaped(line.trim()));

/** Text that roff prints as it is: no line of it is a request. */
function escaped(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^([.'])/, "\\&$1");
}
