import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { join } from "node:path";

/** Help texts by the words of their command (`new driver`), with styles, not yet wrapped. */
export type HelpTexts = Readonly<Record<string, string>>;

/**
 * Returns the help texts of a program by the name that it is called by, from the commands that print them.
 * `flutter-ci` is also the program of each driver.
 */
export async function helpTextsOf(
  root: string,
  program: string,
  drivers: readonly string[],
): Promise<Readonly<Record<string, HelpTexts>>> {
  // Named by paths that the compiler does not follow: all of lib would be checked once more, with the types
  // of Bun.
  const { flutterCiProgram } = await import(join(root, "lib/cli/flutter-ci.ts"));
  const { describedDriver } = await import(join(root, "lib/cli/standalone.ts"));
  const { programOf } = await import(join(root, "lib/driver/program/standalone-program.ts"));
  const unused = () => Promise.reject(new Error("A help text needs no driver"));
  const texts: Record<string, HelpTexts> = {};
  for (const driver of program === "flutter-ci" ? drivers : [program]) {
    texts[driver] = textsOf(programOf(await describedDriver(driver), unused));
  }
  if (program === "flutter-ci") {
    texts[program] = textsOf(
      await flutterCiProgram(Object.fromEntries(drivers.map((name) => [name, unused]))),
    );
  }
  return texts;
}

function textsOf(command: CommandUnknownOpts, path: readonly string[] = []): HelpTexts {
  let text = "";
  command.configureOutput({ writeOut: (part) => text += part });
  command.outputHelp();
  const visible = command.createHelp().visibleCommands(command);
  // Without the help command that the parser makes up.
  const below = command.commands.filter((other) => visible.includes(other))
    .map((other) => textsOf(other, [...path, other.name()]));
  return Object.assign({ [path.join(" ")]: text }, ...below);
}
