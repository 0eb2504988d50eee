import { messageOf } from "../../../base/errors.ts";
import { EXIT } from "../command-line/exit-codes.ts";

/** Returns the error text for an unexpected failure. */
export function defectText(error: unknown): string {
  const stack = error instanceof Error ? error.stack : undefined;
  return `error: This is a defect of the program: ${messageOf(error)}\n${stack ? `${stack}\n` : ""}` +
    'Report it with these lines, what you typed, and what "flutter-ci --version" says\n';
}

/**
 * Exits the process on an uncaught rejection or exception, unless another listener for rejections is
 * registered.
 */
export function exitOnDefects(): Disposable {
  return onDefect((error) => {
    if (process.listenerCount("unhandledRejection") > 1) return;
    process.stderr.write(defectText(error));
    process.exit(EXIT.defect);
  });
}

/** Calls back on every uncaught rejection and exception of this process. */
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
