/** Milliseconds since the epoch. A parameter wherever decisions depend on time, so that tests own it. */
export type Clock = () => number;

/** The machine's clock. Somebody may set it: it says when something was, not how long it took. */
export const systemClock: Clock = () => Date.now();

/** Milliseconds since some moment of this process. Nobody can set it: it says how long something took. */
export const monotonicClock = (): number => performance.now();

/** The time of day at `from`, and how long that is ago: goes on evenly when the machine's clock is set. */
export function steadyClock(from: number = systemClock(), monotonic: () => number = monotonicClock): Clock {
  const ahead = from - monotonic();
  return () => Math.floor(ahead + monotonic());
}
