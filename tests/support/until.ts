import { paced, pacedNow } from "./pace.ts";

/** Interval between two checks, milliseconds. It grows, because checks slow down what is waited for. */
const PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 100;
const SHARE_OF_WAIT = 1 / 20;
/** As in `within`: it only keeps a broken test from hanging. */
const LIMIT_MS = 60_000;

type Condition = () => boolean | Promise<boolean>;

/**
 * Resolves once the condition holds; fails the test if it never does. The failure names `what` was waited for
 * (default: the condition's code).
 */
export async function until(holds: Condition, what = codeOf(holds)): Promise<void> {
  const began = performance.now();
  if (await comes(holds, LIMIT_MS)) return;
  throw new Error(`Waited ${Math.round(performance.now() - began)} ms until ${what}`);
}

const codeOf = (condition: Condition): string => `${condition}`.replace(/\s+/g, " ").slice(0, 300);

/**
 * Resolves to true once the condition holds, or to false after `ms`, for a test that can then help itself.
 */
export async function comes(holds: Condition, ms: number): Promise<boolean> {
  const began = performance.now();
  let limit = paced(ms);
  while (!await holds()) {
    const waited = performance.now() - began;
    if (waited > limit && waited > (limit = pacedNow(ms))) return false;
    await pause(Math.min(LONGEST_PAUSE_MS, Math.max(PAUSE_MS, waited * SHARE_OF_WAIT)));
  }
  return true;
}

/**
 * Lets the event loop turn this many times, so that everything that was ready to happen in this process has
 * happened.
 */
export async function turns(count = 50): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** A pause in a loop of a test. Nothing may depend on its length. */
export const moment = (): Promise<void> => pause(PAUSE_MS);

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Resolves once all earlier timers of a millisecond or less have fired. */
export const shortTimers = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

/** Resolves once the number has stayed the same for many turns of the event loop. */
export async function quiet(count: () => number): Promise<void> {
  for (let last = NaN; last !== count();) {
    last = count();
    await turns(200);
  }
}
