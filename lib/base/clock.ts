/** Milliseconds since the epoch. A parameter wherever decisions depend on time, so that tests own it. */
export type Clock = () => number;

/** The machine's clock. */
export const systemClock: Clock = () => Date.now();
