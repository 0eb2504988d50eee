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

/** What ends a command before its time. The first cause is a request; a signal after that is an order. */
export interface StopRequests extends Disposable {
  /** The first cause; undefined as long as there is none. */
  readonly first: Stop | undefined;
  /** stdout takes no more. A reader that has gone away counts as a hang-up. */
  outputFailed(error: NodeJS.ErrnoException): void;
}

export interface StopHandlers {
  onFirst(stop: Stop): void;
  /** Ends the process. */
  onSecond(stop: Stop): void;
}

/**
 * How long a signal that comes again is still the same request, milliseconds. `timeout` signals its child and then its group,
 * `make` and `npm` pass on what the whole group got.
 */
const SAME_SIGNAL_MS = 500;

/**
 * Listens for signals, except those that the process was started to ignore, and for defects: rejections and exceptions that
 * nobody catches. `now` is a monotonic clock, milliseconds.
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
    // An ignored signal has a listener too: with one for any signal, Deno catches all three, and the others end the process.
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
