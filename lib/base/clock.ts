/**
 * Milliseconds since the epoch. Pass it as a parameter wherever decisions depend on time, so that tests
 * control it.
 */
export type Clock = () => number;

/** The machine's clock. It can be set: use it for when something happened, not for how long it took. */
export const systemClock: Clock = () => Date.now();

/** Milliseconds since some moment of this process. It cannot be set: use it for how long something took. */
export const monotonicClock = (): number => performance.now();

/** Returns a clock that starts at `from` and advances steadily, even if the machine's clock is set. */
export function steadyClock(from: number = systemClock(), monotonic: () => number = monotonicClock): Clock {
  const ahead = from - monotonic();
  return () => Math.floor(ahead + monotonic());
}
