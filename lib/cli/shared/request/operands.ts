import { InputError } from "../../../base/errors.ts";

/** The words on the command line that are not flags. */
export interface Operands {
  readonly repository: string | undefined;
  /** The words after "--"; undefined without any. */
  readonly command: readonly string[] | undefined;
}

/** A flag of a command, as commander knows it. */
export interface KnownFlag {
  readonly short?: string | undefined;
  readonly long?: string | undefined;
  /** Whether it needs a value. */
  readonly required: boolean;
}

/**
 * Finds the operands. Commander drops the "--" without saying where it was. Throws InputError for an excess
 * word.
 */
export function operandsOf(
  args: readonly string[],
  words: readonly string[],
  flags: readonly KnownFlag[],
): Operands {
  const at = separatorIn(words, flags);
  const command = at === -1 ? [] : words.slice(at + 1);
  const [repository, excess] = args.slice(0, args.length - command.length);
  if (excess !== undefined) {
    throw new InputError(`Unexpected word "${excess}": expected one repository; a command goes after "--"`);
  }
  return { repository, command: command.length > 0 ? command : undefined };
}

/** Returns the position of the "--" that ends the flags and is not a flag's value, or -1. */
function separatorIn(words: readonly string[], flags: readonly KnownFlag[]): number {
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    if (word === "--") return at;
    if (takesNext(word, flags)) at++;
  }
  return -1;
}

/**
 * Whether the next word is this flag's value: true for `--image` and `-c`, false for `--image=x` and `-cx`,
 * true for `-xc` if x takes no value.
 */
function takesNext(word: string, flags: readonly KnownFlag[]): boolean {
  if (word.startsWith("--")) return flags.some(({ long, required }) => required && long === word);
  if (!/^-[^-]/.test(word)) return false;
  const flag = flags.find(({ short }) => short === word.slice(0, 2));
  if (word.length === 2) return flag?.required === true;
  return flag?.required === false && takesNext(`-${word.slice(2)}`, flags);
}
