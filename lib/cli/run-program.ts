import { CommanderError, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { InputError, messageOf, UnavailableError } from "../base/errors.ts";
import { environment, returnToCaller } from "./environment.ts";
import { EXIT } from "./exit-codes.ts";
import { applyEnvironment } from "./flag.ts";
import { checkRuntime } from "./runtime-version.ts";

/**
 * Runs a program on the words of the command line, and ends the process with its exit code: what its action has set as
 * `process.exitCode`, else by what it has thrown. Goes back to the caller's folder first.
 */
export async function runProgram(
  program: CommandUnknownOpts,
  words: readonly string[] = process.argv.slice(2),
): Promise<void> {
  try {
    checkRuntime(process.versions);
    returnToCaller();
    program.hook("preAction", (_, command) => applyEnvironment(command, environment));
    await program.parseAsync(words, { from: "user" });
  } catch (error) {
    process.exitCode = report(error);
  }
  // Not by itself: an open connection that was forgotten must not keep a command from ending.
  await Promise.all([written(process.stdout), written(process.stderr)]);
  process.exit();
}

/** Says on stderr what went wrong; answers the exit code. */
function report(error: unknown): number {
  // Commander has said it already. Help and version come this way too.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof InputError) {
    process.stderr.write(`error: ${messageOf(error)}\n`);
    return EXIT.usage;
  }
  if (error instanceof UnavailableError) {
    process.stderr.write(`error: ${messageOf(error)}\n${error.hint ? `${error.hint}\n` : ""}`);
    return EXIT.unavailable;
  }
  const stack = error instanceof Error ? error.stack : undefined;
  process.stderr.write(
    `error: This is a defect of the program: ${messageOf(error)}\n${stack ? `${stack}\n` : ""}`,
  );
  return EXIT.unavailable;
}

function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.once("error", () => resolve());
    if (stream.destroyed || !stream.writable) resolve();
    else stream.write("", () => resolve());
  });
}
