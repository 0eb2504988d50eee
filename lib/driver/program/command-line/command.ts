import { Command, type Option } from "@commander-js/extra-typings";
import { oneOf } from "./values.ts";
import { flag } from "./flag.ts";

export interface CommandText {
  /** What is typed to reach it: `flutter-ci run`. */
  readonly path: string;
  readonly summary: string;
  /** Paragraphs above the flags; the summary without. */
  readonly description?: string;
  /** After the name; `[flags]` without. */
  readonly usage?: string;
  /** What it does, and the words that do it. */
  readonly examples: readonly (readonly [what: string, words: string])[];
}

/** A command in our layout: what it is, how it is called, its flags, examples. It throws instead of ending the process. */
export function newCommand({ path, summary, description, usage, examples }: CommandText): Command {
  const name = path.split(" ").at(-1) ?? path;
  return new Command(name)
    .summary(summary)
    .description(description ?? summary)
    .usage(usage ?? "[flags]")
    .optionsGroup("Flags:")
    .helpOption("-h, --help", "show this help")
    .exitOverride()
    .showHelpAfterError(`See "${path} --help"`)
    .configureHelp({
      commandDescription: () => "",
      styleTitle: (title) => title === "Usage:" ? `${bold(title)} ` : bold(title),
      subcommandTerm: (command) => command.name(),
      optionDescription,
    })
    .addHelpText("before", ({ command }) => `${command.description()}\n`)
    .addHelpText("after", `\n${bold("Examples:")}\n${examples.map(shown).join("\n")}`);
}

/** The flags that every command takes, for the process's own log. */
export const logLevelFlag = () =>
  flag("--log-level <level>", "what to log on stderr", oneOf(LOG_LEVELS))
    .default("info" as const);
export const logFormatFlag = () =>
  flag("--log-format <format>", "how to log", oneOf(["text", "json"])).default("text" as const);

const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What stands below the flags of every command that has some. */
export const VARIABLES_NOTE =
  "\nEvery flag can be set by a variable instead: CONVEYOR_ and its name in capitals, like CONVEYOR_LOG_LEVEL=debug.\n" +
  "A flag wins over its variable. One that may be repeated takes one value a line.";

/** What it is for, the words it takes, and what it is without. */
function optionDescription(
  { description, argChoices, defaultValue, defaultValueDescription }: Option,
): string {
  const without = defaultValueDescription ?? defaultValue;
  const facts = [
    ...argChoices ? [argChoices.join(", ")] : [],
    ...without === undefined ? [] : [`default: ${without}`],
  ];
  return facts.length === 0 ? description : `${description} (${facts.join("; ")})`;
}

const shown = ([what, words]: readonly [string, string]): string => `  # ${what}\n  $ ${words}`;

/** Commander takes the escapes out where there is no terminal, or NO_COLOR is set. */
const bold = (text: string): string => `\x1b[1m${text}\x1b[22m`;
