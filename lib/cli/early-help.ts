import { fstatSync, statSync } from "node:fs";
import { environment } from "../driver/program/command-line/environment.ts";
import { type HelpScreen, helpScreenOf, shownHelp } from "../driver/program/command-line/help-screen.ts";

/** Help texts by the name that the program is called by, then by the words of the command (`new driver`). */
export type HelpTexts = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Inserted by `scripts/build` and `scripts/release`, which take the texts from the commands. */
declare const CONVEYOR_HELP: HelpTexts | undefined;

const INSERTED: HelpTexts = typeof CONVEYOR_HELP === "object" ? CONVEYOR_HELP : {};

/**
 * Returns the help that these words ask for, as it is printed; undefined if they ask for something else, and
 * from source. Own drivers add flags to the help, so it is left to the program if a variable names some.
 */
export function earlyHelp(
  name: string,
  words: readonly string[],
  texts: HelpTexts = INSERTED,
  screen: () => HelpScreen = stdoutScreen,
): string | undefined {
  if (environment.CONVEYOR_DRIVER) return undefined;
  const path = name === "flutter-ci" ? commandOfFlutterCi(words) : commandOf(words);
  const ofProgram = Object.hasOwn(texts, name) ? texts[name] : undefined;
  if (path === undefined || !ofProgram || !Object.hasOwn(ofProgram, path)) return undefined;
  return shownHelp(ofProgram[path] ?? "", screen());
}

/**
 * Returns the command whose help is asked for; undefined if none is, or if the words are anything unusual.
 */
function commandOf(words: readonly string[]): string | undefined {
  const last = words.at(-1);
  return last === "--help" || last === "-h" ? joined(words.slice(0, -1)) : undefined;
}

function commandOfFlutterCi(words: readonly string[]): string | undefined {
  if (words.every((word) => word === "-t" || word === "--toggle")) return "";
  const [first, second, ...more] = words;
  if (first === "help" && more.length === 0 && !second?.startsWith("-")) {
    return joined(second === undefined ? [] : [second]);
  }
  return commandOf(words);
}

/** Each word has to be a name: "new driver" in quotes is no command. */
const joined = (words: readonly string[]): string | undefined =>
  words.every((word) => /^[a-z][a-z-]*$/.test(word)) ? words.join(" ") : undefined;

/** Loading the stream takes longer than a help text, and only a terminal has a width. */
const stdoutScreen = (): HelpScreen => helpScreenOf(mayBeTerminal() ? process.stdout : undefined);

function mayBeTerminal(): boolean {
  const stdout = fstatSync(1);
  return stdout.isCharacterDevice() && stdout.rdev !== statSync("/dev/null").rdev;
}
