import { environment } from "../environment.ts";
import { exitOfSignal, type StopSignal } from "../exit-codes.ts";
import { startProcessLog } from "../process-log.ts";
import { chooseRenderer } from "../render/choose-renderer.ts";
import type { Renderer } from "../render/renderer.ts";
import { checkOutputFlags, type OutputOptions } from "./build-flags.ts";
import { listenForStop } from "./stop-requests.ts";

/** One run as its person sees it: what is shown of it, and what they do to end it. Dispose writes what is left to show. */
export interface Session extends AsyncDisposable {
  readonly renderer: Renderer;
  /** Fires at the first request to stop. */
  readonly signal: AbortSignal;
  /** What was asked first; undefined as long as nothing was. */
  readonly stopped: StopSignal | undefined;
  /** Calls back at the first request to stop, also where it has come already. */
  onStop(cancel: (signal: StopSignal) => unknown): void;
}

/**
 * Opens it; the process's own log is shown in it. The second request to stop ends the process, saying what is left behind.
 * Throws InputError for forms of output that exclude each other.
 */
export function openSession(options: OutputOptions, { leftBehind }: { leftBehind: string }): Session {
  checkOutputFlags(options);
  const stopping = new AbortController();
  const asked = Promise.withResolvers<StopSignal>();
  const stop = listenForStop({
    onFirst(signal) {
      stopping.abort(new DOMException(`Stopped by ${signal}`, "AbortError"));
      asked.resolve(signal);
    },
    onSecond(signal) {
      process.stderr.write(`Left at once. ${leftBehind}\n`);
      process.exit(exitOfSignal(signal));
    },
  });
  const renderer = chooseRenderer({ json: options.json === true, quiet: options.quiet === true }, {
    stdout: process.stdout,
    stderr: process.stderr,
    environment,
    onClosed: () => stop.outputClosed(),
  });
  startProcessLog({
    level: options.logLevel,
    format: options.logFormat,
    write: (line) => renderer.note(line.trimEnd()),
  });
  return {
    renderer,
    signal: stopping.signal,
    get stopped() {
      return stop.first;
    },
    onStop: (cancel) => void asked.promise.then(cancel),
    async [Symbol.asyncDispose]() {
      await renderer.close();
      stop[Symbol.dispose]();
    },
  };
}
