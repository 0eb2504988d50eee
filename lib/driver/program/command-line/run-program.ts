import { CommanderError, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { InputError, isRetryable, messageOf, UnavailableError } from "../../../base/errors.ts";
import { environment, returnToCaller } from "./environment.ts";
import { EXIT } from "./exit-codes.ts";
import { applyEnvironment } from "./flag.ts";
import { neutralText } from "./neutral.ts";
import { checkRuntime } from "./runtime-version.ts";
import { isReaderGone, makeSafe, type SafeStream } from "./safe-stream.ts";
import { defectText, exitOnDefects } from "../stop/defects.ts";

/**
 * Runs a program with command line arguments and exits the process. The exit code is the `process.exitCode`
 * that the program's action has set, or follows from the error that it threw. Changes to the caller's folder
 * first; a program that depends on it is made afterwards.
 */
export async function runProgram(
  make: CommandUnknownOpts | (() => Promise<CommandUnknownOpts>),
  words: readonly string[] = process.argv.slice(2),
): Promise<void> {
  const stdout = makeSafe(process.stdout);
  const stderr = makeSafe(process.stderr);
  using _defects = exitOnDefects();
  const refused = await whyRefused(async () => {
    checkRuntime(process.versions);
    returnToCaller();
    return typeof make === "function" ? await make() : make;
  }, words);
  if (refused !== undefined) process.exitCode = refused;
  await stdout.written();
  reportLostOutput(stdout);
  await stderr.written();
  // Exit explicitly: a leaked handle must not keep the process alive.
  process.exit();
}

/**
 * Runs a program with command line arguments. An error is printed to stderr, and its exit code returned.
 */
export async function whyRefused(
  make: () => Promise<CommandUnknownOpts>,
  words: readonly string[],
): Promise<number | undefined> {
  try {
    const program = await make();
    program.hook("preAction", (_, command) => applyEnvironment(command, environment));
    await program.parseAsync(words, { from: "user" });
    return undefined;
  } catch (error) {
    return report(error);
  }
}

/**
 * Prints an error to stderr; returns the exit code. Control characters are made visible, because a message
 * may quote text from outside.
 */
function report(error: unknown): number {
  // Commander has printed it already. Help and version are reported this way too.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof InputError) {
    process.stderr.write(`error: ${neutralText(messageOf(error))}\n`);
    return EXIT.usage;
  }
  if (error instanceof UnavailableError || isRetryable(error)) {
    const hint = error instanceof UnavailableError && error.hint ? `${error.hint}\n` : "";
    process.stderr.write(`error: ${neutralText(messageOf(error))}\n${hint}`);
    return EXIT.unavailable;
  }
  process.stderr.write(defectText(error));
  return EXIT.defect;
}

/** Fails a program whose output did not reach stdout, unless its reader has closed it. */
function reportLostOutput({ failure }: SafeStream): void {
  if (!failure || isReaderGone(failure)) return;
  process.stderr.write(`error: Cannot write to stdout: ${messageOf(failure)}\n`);
  process.exitCode ||= EXIT.unavailable;
}
