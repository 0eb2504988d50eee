import { styleText } from "node:util";
import { Command, type Option } from "@commander-js/extra-typings";
import { oneOf } from "./values.ts";
import { flag } from "./flag.ts";
import { helpScreenOf, shownHelp } from "./help-screen.ts";

export interface CommandText {
  /** The command as typed: `flutter-ci run`. */
  readonly path: string;
  readonly summary: string;
  /** Paragraphs above the flags; by default the summary. */
  readonly description?: string;
  /** Text after the name; by default `[flags]`. */
  readonly usage?: string;
  /** What an example does, and its command line. */
  readonly examples: readonly (readonly [what: string, words: string])[];
}

/**
 * Makes a command with our help layout: description, usage, flags, examples. It throws instead of exiting the
 * process.
 */
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
    .configureOutput({
      // Help comes whole and with its styles, and is fitted to the screen when it is written.
      getOutHasColors: () => true,
      getErrHasColors: () => true,
      writeOut: (text) => process.stdout.write(shownHelp(text, helpScreenOf(process.stdout))),
      writeErr: (text) => process.stderr.write(shownHelp(text, helpScreenOf(process.stderr))),
      outputError: (text) => process.stderr.write(text),
    })
    .configureHelp({
      helpWidth: Infinity,
      commandDescription: () => "",
      styleTitle: (title) => title === "Usage:" ? `${bold(title)} ` : bold(title),
      subcommandTerm: (command) => command.name(),
      optionDescription,
    })
    .addHelpText("before", ({ command }) => `${command.description()}\n`)
    .addHelpText("after", `\n${bold("Examples:")}\n${examples.map(shown).join("\n")}`);
}

/** Flags of every command, for the process log. */
export const logLevelFlag = () =>
  flag("--log-level <level>", "what to log on stderr", oneOf(LOG_LEVELS))
    .default("info" as const);
export const logFormatFlag = () =>
  flag("--log-format <format>", "how to log", oneOf(["text", "json"])).default("text" as const);

const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Shown below the flags of every command that has some. */
export const VARIABLES_NOTE =
  "\nEvery flag can be set by a variable instead: CONVEYOR_ and its name in capitals, like CONVEYOR_LOG_LEVEL=debug.\n" +
  "A flag wins over its variable. One that may be repeated takes one value a line.";

/** A flag's description, its allowed words and its default. */
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

/** The escapes are removed when it is written, if the screen has no colours. */
const bold = (text: string): string => styleText("bold", text, { validateStream: false });
