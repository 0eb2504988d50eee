import { messageOf } from "../../base/errors.ts";
import { startTimer, stopTimer, type Timer } from "../../base/timers.ts";
import { environment } from "../../driver/program/command-line/environment.ts";
import { EXIT } from "../../driver/program/command-line/exit-codes.ts";
import { startProcessLog } from "../../driver/program/command-line/process-log.ts";
import { chooseRenderer } from "./render/choose-renderer.ts";
import type { Renderer } from "./render/renderer.ts";
import type { Stop } from "../../driver/program/stop/stop.ts";
import { listenForStop } from "../../driver/program/stop/stop-requests.ts";
import { checkOutputFlags, type OutputOptions } from "./request/build-flags.ts";

/**
 * The user's view of one run: its output, and the requests to stop it. Dispose writes the remaining output.
 */
export interface Session extends AsyncDisposable {
  readonly renderer: Renderer;
  /** Fires at the first request to stop. */
  readonly signal: AbortSignal;
  /** The first request to stop; undefined if there is none yet. */
  readonly stopped: Stop | undefined;
  /**
   * Calls `cancel` at the first request to stop, also if it came earlier. Disposing the result removes the
   * callback.
   */
  onStop(cancel: (stop: Stop) => Promise<void>): Disposable;
}

/** Time limit for an orderly end after a defect, which may have broken what it needs, milliseconds. */
const AFTER_DEFECT_MS = 120_000;

/**
 * Opens the session. It also shows the process's own log. A second request to stop ends the process and
 * prints `leftBehind`. Throws InputError for output flags that exclude each other.
 */
export function openSession(options: OutputOptions, { leftBehind }: { leftBehind: string }): Session {
  checkOutputFlags(options);
  const stopping = new AbortController();
  const asked = Promise.withResolvers<Stop>();
  let limit: Timer | undefined;
  const leave = ({ exit }: Stop): void => {
    process.stderr.write(`Left at once. ${leftBehind}\n`);
    process.exit(exit);
  };
  const stop = listenForStop({
    onFirst(cause) {
      if (cause.exit === EXIT.defect) limit = startTimer(() => leave(cause), AFTER_DEFECT_MS);
      stopping.abort(new DOMException(cause.verdict.message, "AbortError"));
      asked.resolve(cause);
    },
    onSecond: leave,
  });
  const renderer = chooseRenderer({ json: options.json === true, quiet: options.quiet === true }, {
    stdout: process.stdout,
    stderr: process.stderr,
    environment,
    onFailed: (error) => stop.outputFailed(error),
  });
  startProcessLog({
    level: options.logLevel,
    format: options.logFormat,
    write: (line) => renderer.note(line.trimEnd()),
    withoutOutcomesOf: ["driver", "engine"],
  });
  return {
    renderer,
    signal: stopping.signal,
    get stopped() {
      return stop.first;
    },
    onStop(cancel) {
      const over = new AbortController();
      asked.promise.then((cause) => over.signal.aborted ? undefined : cancel(cause)).catch((error) => {
        renderer.note(`Cannot stop: ${messageOf(error)}`);
      });
      return { [Symbol.dispose]: () => over.abort() };
    },
    async [Symbol.asyncDispose]() {
      await renderer.close();
      stopTimer(limit);
      stop[Symbol.dispose]();
    },
  };
}
