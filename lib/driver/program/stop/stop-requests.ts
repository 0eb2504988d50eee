import { isReaderGone } from "../command-line/safe-stream.ts";
import { defectText, onDefect } from "./defects.ts";
import { ignoredSignals } from "./ignored-signals.ts";
import {
  type Stop,
  STOP_SIGNALS,
  stopByDefect,
  stopByOutput,
  stopBySignal,
  type StopSignal,
} from "./stop.ts";

/**
 * Watches for causes to end a command early. The first cause requests a stop; a signal after that forces it.
 */
export interface StopRequests extends Disposable {
  /** The first cause; undefined if there is none yet. */
  readonly first: Stop | undefined;
  /** Call when stdout cannot be written. If its reader has closed it, that counts as SIGHUP. */
  outputFailed(error: NodeJS.ErrnoException): void;
}

export interface StopHandlers {
  onFirst(stop: Stop): void;
  /** Must end the process. */
  onSecond(stop: Stop): void;
}

/**
 * How long a repeated signal counts as the same request, milliseconds. `timeout` signals its child and then
 * its group; `make` and `npm` pass on what the whole group received. Two presses of Ctrl-C are further apart.
 */
const SAME_SIGNAL_MS = 100;

/**
 * Listens for signals, except those that the process was started to ignore, and for uncaught rejections and
 * exceptions. `now` is a monotonic clock, milliseconds.
 */
export function listenForStop(
  { onFirst, onSecond }: StopHandlers,
  { now = () => performance.now(), ignored = ignoredSignals(STOP_SIGNALS) }: {
    now?: () => number;
    ignored?: readonly StopSignal[];
  } = {},
): StopRequests {
  let first: Stop | undefined;
  let latest: { signal: StopSignal; at: number } | undefined;
  const request = (stop: Stop) => {
    if (first !== undefined) return;
    first = stop;
    onFirst(stop);
  };
  const listeners = STOP_SIGNALS.map((signal) => ({
    signal,
    // Ignored signals need a listener too: with a listener for any signal, Deno catches all three, and those
    // without one end the process.
    listener() {
      if (ignored.includes(signal)) return;
      if (latest?.signal === signal && now() - latest.at < SAME_SIGNAL_MS) return;
      latest = { signal, at: now() };
      if (first !== undefined) onSecond(stopBySignal(signal));
      else request(stopBySignal(signal));
    },
  }));
  for (const { signal, listener } of listeners) process.on(signal, listener);
  const defects = onDefect((error) => {
    process.stderr.write(defectText(error));
    request(stopByDefect(error));
  });
  return {
    get first() {
      return first;
    },
    outputFailed(error) {
      request(isReaderGone(error) ? stopBySignal("SIGHUP") : stopByOutput(error));
    },
    [Symbol.dispose]() {
      for (const { signal, listener } of listeners) process.off(signal, listener);
      defects[Symbol.dispose]();
    },
  };
}
