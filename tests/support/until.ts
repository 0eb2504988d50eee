import { paced, pacedNow } from "./pace.ts";

/** Between two looks, milliseconds: longer the longer it takes, since looking takes its time from what is waited for. */
const PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 100;
const SHARE_OF_WAIT = 1 / 20;
/** As in `within`: it only keeps a broken test from hanging. */
const LIMIT_MS = 60_000;

type Condition = () => boolean | Promise<boolean>;

/**
 * Resolves when it holds: looks again and again, and fails the test where it never does. The failure says `what` was waited
 * for, without which it shows the condition's code.
 */
export async function until(holds: Condition, what = codeOf(holds)): Promise<void> {
  const began = performance.now();
  if (await comes(holds, LIMIT_MS)) return;
  throw new Error(`Waited ${Math.round(performance.now() - began)} ms until ${what}`);
}

const codeOf = (condition: Condition): string => `${condition}`.replace(/\s+/g, " ").slice(0, 300);

/** True when it holds; false where it does not come to that in so long, which a test can mend by itself. */
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

/** Lets the event loop go round so often: what was ready to happen in this process has happened by then. */
export async function turns(count = 50): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** A pause between two things that a test does again and again. Nothing may depend on how long it is. */
export const moment = (): Promise<void> => pause(PAUSE_MS);

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Resolves when every timer of a millisecond or less that was set before has fired. */
export const shortTimers = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

/** Resolves when the number has stayed the same while the event loop went round many times. */
export async function quiet(count: () => number): Promise<void> {
  for (let last = NaN; last !== count();) {
    last = count();
    await turns(200);
  }
}
