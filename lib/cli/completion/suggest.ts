import { type Command as Described, RootCommand, ShellCompDirective } from "@bomb.sh/tab";
import type { CommandUnknownOpts } from "@commander-js/extra-typings";

/** Flags whose value is a file or a folder, by what their usage calls it. */
const NAMES_A_FILE = /<(?:file|dir|host=file)>/;

/**
 * Prints what may stand at the place of the last word (empty where a new one begins), a suggestion a line with its
 * explanation, and a last line that tells the shell whether files may stand there too.
 */
export function suggest(program: CommandUnknownOpts, words: readonly string[]): void {
  const before = words.slice(0, -1);
  if (before.includes("--") || mayBeFile(program, before, words.at(-1) ?? "")) {
    console.log(`:${ShellCompDirective.ShellCompDirectiveDefault}`);
  } else {
    described(program).parse([...words]);
  }
}

function mayBeFile(program: CommandUnknownOpts, before: readonly string[], current: string): boolean {
  const command = program.commands.find((known) => known.name() === before[0]);
  if (!command) return false;
  const previous = command.options.find(({ long, short }) => [long, short].includes(before.at(-1)));
  if (previous?.required) return NAMES_A_FILE.test(previous.flags);
  return !current.startsWith("-") && command.registeredArguments.some((argument) => !argument.argChoices);
}

/** The program in the words of the completion library. */
function described(program: CommandUnknownOpts): RootCommand {
  const root = new RootCommand();
  addOptions(root, program);
  const { commands } = program;
  const visible = program.createHelp().visibleCommands(program).filter((command) =>
    commands.includes(command)
  );
  for (const command of visible) {
    const described = root.command(command.name(), command.summary());
    addOptions(described, command);
    for (const argument of command.registeredArguments) {
      described.argument(argument.name(), suggesting(argument.argChoices), argument.variadic);
    }
  }
  return root;
}

function addOptions(described: Described, command: CommandUnknownOpts): void {
  for (const option of command.createHelp().visibleOptions(command)) {
    const name = option.long?.slice(2);
    if (name === undefined) continue;
    const short = option.short?.slice(1);
    if (option.required) described.option(name, option.description, suggesting(option.argChoices), short);
    else if (short) described.option(name, option.description, short);
    else described.option(name, option.description);
  }
}

const suggesting = (values: readonly string[] = []) => (suggest: (value: string, why: string) => void) => {
  for (const value of values) suggest(value, "");
};
