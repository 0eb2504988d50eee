import type { CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import { commandOf, flagOf } from "./line.ts";

/** Matches flags whose value is a file or folder, according to their usage. */
const NAMES_A_FILE = /<(?:file|dir|host=file|name\|file|file\|package)>/;

export interface Suggestion {
  readonly value: string;
  readonly why: string;
}

/**
 * Returns suggestions for the last word, which is empty where a new word begins. Each line is a suggestion,
 * with a tab and its explanation if it has one. `found` are the suggestions for a run, or for the value of
 * the flag in question (`wantsValue`). The last line is `:0` if file names fit too, otherwise `:4`.
 */
export function suggest(
  program: CommandUnknownOpts,
  words: readonly string[],
  found: readonly Suggestion[] = [],
): string {
  const current = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const { values, files } = candidates(program, before, current, found);
  const lines = values.filter(({ value }) => value.startsWith(current))
    .map(({ value, why }) => why === "" ? value : `${value}\t${why}`);
  return `${[...lines, files ? ":0" : ":4"].join("\n")}\n`;
}

function candidates(
  program: CommandUnknownOpts,
  before: readonly string[],
  current: string,
  found: readonly Suggestion[],
): { values: Suggestion[]; files: boolean } {
  if (before.includes("--")) return { values: [], files: true };
  const command = commandOf(program, before);
  if (!command) {
    return { values: current.startsWith("-") ? flagsOf(program) : commandsOf(program), files: false };
  }
  const [typed, given] = current.startsWith("--") ? current.split("=", 2) : [undefined, undefined];
  if (typed !== undefined && given !== undefined) return valuesOf(flagOf(command, typed), `${typed}=`, found);
  const previous = flagOf(command, before.at(-1));
  if (previous?.required) return valuesOf(previous, "", found);
  if (current.startsWith("-")) return { values: flagsOf(command), files: false };
  if (command.commands.length > 0) return { values: commandsOf(command), files: false };
  if (command.name() === "help") return { values: commandsOf(program), files: false };
  const [argument] = command.registeredArguments;
  if (argument && isRun(argument)) return { values: [...found], files: false };
  const values = (argument?.argChoices ?? []).map((value) => ({ value, why: "" }));
  return { values, files: argument !== undefined && !argument.argChoices };
}

/** Whether the argument is a run. */
const isRun = (argument: { name(): string }): boolean => argument.name() === "run";

/** Whether the last word may be a run. */
export function wantsRun(program: CommandUnknownOpts, words: readonly string[]): boolean {
  const command = commandOf(program, words);
  const [argument] = command?.registeredArguments ?? [];
  if (!command || !argument || !isRun(argument) || words.length < 2 || words.includes("--")) return false;
  return !(words.at(-1) ?? "").startsWith("-") && !flagOf(command, words.at(-2))?.required;
}

/** Returns the flag whose value the last word is, and the beginning of that value. */
export function wantsValue(
  program: CommandUnknownOpts,
  words: readonly string[],
): { flag: string; begun: string } | undefined {
  const command = commandOf(program, words);
  const current = words.at(-1) ?? "";
  if (!command || words.length < 2 || words.slice(0, -1).includes("--")) return undefined;
  const [typed, given] = current.startsWith("--") ? current.split("=", 2) : [undefined, undefined];
  if (given !== undefined) return flagOf(command, typed) && { flag: typed ?? "", begun: given };
  const previous = flagOf(command, words.at(-2));
  return previous?.required && previous.long ? { flag: previous.long, begun: current } : undefined;
}

function valuesOf(
  option: Option | undefined,
  prefix: string,
  found: readonly Suggestion[],
): { values: Suggestion[]; files: boolean } {
  const known = (option?.argChoices ?? []).map((value) => ({ value, why: "" }));
  const values = [...known, ...found].map(({ value, why }) => ({ value: `${prefix}${value}`, why }));
  return { values, files: option !== undefined && NAMES_A_FILE.test(option.flags) };
}

/** Suggests the visible commands only, so not `complete` itself. */
function commandsOf(program: CommandUnknownOpts): Suggestion[] {
  const { commands } = program;
  return program.createHelp().visibleCommands(program).filter((command) => commands.includes(command))
    .map((command) => ({ value: command.name(), why: command.summary() }));
}

const flagsOf = (command: CommandUnknownOpts): Suggestion[] =>
  command.createHelp().visibleOptions(command)
    .flatMap(({ long, description }) => long ? [{ value: long, why: description }] : []);
