import type { StopSignal } from "../exit-codes.ts";

const SIGNALS: readonly StopSignal[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/** What a person does to end us: the first time it is a request, the second time an order. */
export interface StopRequests extends Disposable {
  /** What was asked first; undefined as long as nothing was. */
  readonly first: StopSignal | undefined;
  /** Nobody reads our output any more, which is as good as a hang-up; only the first time. */
  outputClosed(): void;
}

export interface StopHandlers {
  onFirst(signal: StopSignal): void;
  onSecond(signal: StopSignal): void;
}

export function listenForStop({ onFirst, onSecond }: StopHandlers): StopRequests {
  let first: StopSignal | undefined;
  const hear = (signal: StopSignal) => {
    if (first !== undefined) return onSecond(signal);
    first = signal;
    onFirst(signal);
  };
  const listeners = SIGNALS.map((signal) => ({ signal, listener: () => hear(signal) }));
  for (const { signal, listener } of listeners) process.on(signal, listener);
  return {
    get first() {
      return first;
    },
    outputClosed() {
      if (first === undefined) hear("SIGHUP");
    },
    [Symbol.dispose]() {
      for (const { signal, listener } of listeners) process.off(signal, listener);
    },
  };
}
