import { styleText } from "node:util";
import { Command, type Option } from "@commander-js/extra-typings";
import { oneOf } from "./values.ts";
import { fitText } from "./fit.ts";
import { flag } from "./flag.ts";

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
      writeOut: (text) => process.stdout.write(fitText(text, columns())),
    })
    .configureHelp({
      // Flags have long names: without this, what they mean is not wrapped on a narrow terminal.
      minWidthToWrap: 20,
      commandDescription: () => "",
      styleTitle: (title) => title === "Usage:" ? `${bold(title)} ` : bold(title),
      subcommandTerm: (command) => command.name(),
      optionDescription,
    })
    .addHelpText("before", ({ command }) => `${command.description()}\n`)
    .addHelpText("after", `\n${bold("Examples:")}\n${examples.map(shown).join("\n")}`);
}

const columns = (): number | undefined => process.stdout.isTTY ? process.stdout.columns : undefined;

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

/** Commander removes the escapes if there is no terminal, or if NO_COLOR is set. */
const bold = (text: string): string => styleText("bold", text, { validateStream: false });
