import { type CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import { InputError } from "../../../base/errors.ts";
import type { Environment } from "./environment.ts";

/** The flags that can also be set by a variable, and the parser of its text. */
const readers = new WeakMap<object, { parse: (text: string) => unknown; many: boolean }>();

/**
 * Makes a flag with a value. Errors of `parse` are prefixed with the flag's name; its `words`, if any, are
 * shown in help.
 */
export function flag<const Usage extends string, T>(
  usage: Usage,
  description: string,
  parse: (text: string) => T,
): Option<Usage, undefined, undefined, T> {
  const option = new Option(usage, description);
  readers.set(option, { parse, many: false });
  if ("words" in parse) option.argChoices = parse.words as string[];
  return option.argParser((text: string): T => named(option.long ?? usage, () => parse(text)));
}

/**
 * Makes a flag that may be repeated; its value is a list in the given order. Its variable holds one value per
 * line.
 */
export function listFlag<const Usage extends string, T>(
  usage: Usage,
  description: string,
  parse: (text: string) => T,
): Option<Usage, undefined, undefined, T[]> {
  const option = new Option(usage, description);
  readers.set(option, { parse, many: true });
  return option.argParser((text: string, previous: T[] | undefined): T[] => [
    ...previous ?? [],
    named(option.long ?? usage, () => parse(text)),
  ]);
}

/** Makes a flag without a value. Its variable is `true` or `false`. */
export function switchFlag<const Usage extends string>(usage: Usage, description: string): Option<Usage> {
  const option = new Option(usage, description);
  readers.set(option, { parse: switchValue, many: false });
  return option;
}

/** Returns the variable of a flag: `CONVEYOR_` and its name in capitals. */
export const variableOf = (long: string): string =>
  `CONVEYOR_${long.replace(/^--/, "").replaceAll("-", "_").toUpperCase()}`;

/**
 * Sets every flag that was not typed from its variable. An empty variable counts as not set. Throws
 * InputError that names the variable.
 */
export function applyEnvironment(command: CommandUnknownOpts, environment: Environment): void {
  for (const option of command.options) {
    const name = option.attributeName();
    const reader = readers.get(option);
    if (!reader || !option.long || command.getOptionValueSource(name) === "cli") continue;
    const variable = variableOf(option.long);
    const text = environment[variable];
    if (text === undefined || text === "") continue;
    const { parse, many } = reader;
    const value = named(
      variable,
      () => many ? text.split("\n").filter((line) => line !== "").map(parse) : parse(text),
    );
    command.setOptionValueWithSource(name, value, "env");
  }
}

function switchValue(text: string): boolean {
  if (/^(?:1|true|yes|on)$/i.test(text)) return true;
  if (/^(?:0|false|no|off)$/i.test(text)) return false;
  throw new InputError(`Invalid value "${text}": expected true or false`);
}

/** Runs `work`; prefixes its InputError with `name`. */
function named<T>(name: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new InputError(`${name}: ${error.message}`, { cause: error });
  }
}
