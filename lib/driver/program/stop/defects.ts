import { messageOf } from "../../../base/errors.ts";
import { EXIT } from "../command-line/exit-codes.ts";

/** The text for a failure that nobody expected. */
export function defectText(error: unknown): string {
  const stack = error instanceof Error ? error.stack : undefined;
  return `error: This is a defect of the program: ${messageOf(error)}\n${stack ? `${stack}\n` : ""}` +
    'Report it with these lines, what you typed, and what "flutter-ci --version" says\n';
}

/** Ends the process for a rejection or an exception that nobody catches, until something better hears of them. */
export function exitOnDefects(): Disposable {
  return onDefect((error) => {
    if (process.listenerCount("unhandledRejection") > 1) return;
    process.stderr.write(defectText(error));
    process.exit(EXIT.defect);
  });
}

/** Calls back for every rejection and exception of this process that nobody catches. */
export function onDefect(hear: (error: unknown) => void): Disposable {
  process.on("unhandledRejection", hear);
  process.on("uncaughtException", hear);
  return {
    [Symbol.dispose]() {
      process.off("unhandledRejection", hear);
      process.off("uncaughtException", hear);
    },
  };
}
