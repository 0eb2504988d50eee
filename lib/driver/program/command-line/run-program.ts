import { CommanderError, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { InputError, messageOf, UnavailableError } from "../../../base/errors.ts";
import { environment, returnToCaller } from "./environment.ts";
import { EXIT } from "./exit-codes.ts";
import { applyEnvironment } from "./flag.ts";
import { neutralText } from "./neutral.ts";
import { checkRuntime } from "./runtime-version.ts";
import { isReaderGone, makeSafe, type SafeStream } from "./safe-stream.ts";
import { defectText, exitOnDefects } from "../stop/defects.ts";

/**
 * Runs a program on the words of the command line, and ends the process. The exit code is what the program's action has set
 * as `process.exitCode`, or follows from what it has thrown. Goes back to the caller's folder first.
 */
export async function runProgram(
  program: CommandUnknownOpts,
  words: readonly string[] = process.argv.slice(2),
): Promise<void> {
  const stdout = makeSafe(process.stdout);
  const stderr = makeSafe(process.stderr);
  using _defects = exitOnDefects();
  try {
    checkRuntime(process.versions);
    returnToCaller();
    program.hook("preAction", (_, command) => applyEnvironment(command, environment));
    await program.parseAsync(words, { from: "user" });
  } catch (error) {
    process.exitCode = report(error);
  }
  await stdout.written();
  reportLostOutput(stdout);
  await stderr.written();
  // Exit explicitly: a leaked handle must not keep the process alive.
  process.exit();
}

/** Says on stderr what went wrong; returns the exit code. A message may quote what a stranger has written. */
function report(error: unknown): number {
  // Commander has said it already. Help and version come this way too.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof InputError) {
    process.stderr.write(`error: ${neutralText(messageOf(error))}\n`);
    return EXIT.usage;
  }
  if (error instanceof UnavailableError) {
    process.stderr.write(`error: ${neutralText(messageOf(error))}\n${error.hint ? `${error.hint}\n` : ""}`);
    return EXIT.unavailable;
  }
  process.stderr.write(defectText(error));
  return EXIT.defect;
}

/** A program whose results did not reach stdout has not succeeded, unless its reader had enough of them. */
function reportLostOutput({ failure }: SafeStream): void {
  if (!failure || isReaderGone(failure)) return;
  process.stderr.write(`error: Cannot write to stdout: ${messageOf(failure)}\n`);
  process.exitCode ||= EXIT.unavailable;
}
