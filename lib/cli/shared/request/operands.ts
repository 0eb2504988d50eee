import { InputError } from "../../../base/errors.ts";

/** What stands on the command line beside the flags. */
export interface Operands {
  readonly repository: string | undefined;
  /** The words after "--"; undefined without any. */
  readonly command: readonly string[] | undefined;
}

/** Commander drops the "--" and says nothing of where it was. Throws InputError. */
export function operandsOf(args: readonly string[], words: readonly string[]): Operands {
  const at = words.indexOf("--");
  const command = at === -1 ? [] : words.slice(at + 1);
  const [repository, excess] = args.slice(0, args.length - command.length);
  if (excess !== undefined) {
    throw new InputError(`Unexpected word "${excess}": expected one repository; a command goes after "--"`);
  }
  return { repository, command: command.length > 0 ? command : undefined };
}
