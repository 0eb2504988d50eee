import type { CommandUnknownOpts, Option } from "@commander-js/extra-typings";

/** The command of a line, whose first words name it. */
export function commandOf(
  program: CommandUnknownOpts,
  [first, ...more]: readonly string[],
): CommandUnknownOpts | undefined {
  const command = program.commands.find((known) => known.name() === first);
  return command && (commandOf(command, more) ?? command);
}

/** The flag with this name, long or short. */
export const flagOf = (command: CommandUnknownOpts, word: string | undefined): Option | undefined =>
  command.options.find(({ long, short }) => word !== undefined && [long, short].includes(word));

/** What stands on a line before its last word, which is being typed. Words are as they were typed. */
export interface Line {
  /** Values of flags by their long names; of a flag that is there twice, the last. */
  readonly values: ReadonlyMap<string, string>;
  readonly operands: readonly string[];
}

/** Reads the words of a command, whose name is the first. */
export function lineOf(command: CommandUnknownOpts, words: readonly string[]): Line {
  const values = new Map<string, string>();
  const operands: string[] = [];
  const rest = words.slice(1, -1).values();
  for (const word of rest) {
    if (word === "--") break;
    const [name = "", given] = word.startsWith("--") ? word.split(/=(.*)/s, 2) : [word];
    const flag = flagOf(command, name);
    if (flag?.required && flag.long) {
      const value = given ?? rest.next().value;
      if (value !== undefined) values.set(flag.long, value);
    } else if (!word.startsWith("-")) operands.push(word);
  }
  return { values, operands };
}
