import { spawnSync } from "node:child_process";

/** Milliseconds that a round takes on the machine on which the limits in tests were chosen, with nothing beside it. */
const REFERENCE_MS = 12;
/** The variable in which a run of the suite tells its tests what it has measured. */
export const PACE_VARIABLE = "CONVEYOR_TEST_PACE";

/** How many times longer things may take here than where the limits were chosen, beside all that goes on here: 1 or more. */
export function pace(): number {
  const told = Number(process.env[PACE_VARIABLE]);
  if (told >= 1) return told;
  const measured = measurePace(2);
  process.env[PACE_VARIABLE] = String(measured);
  return measured;
}

/** So many milliseconds of that machine, in milliseconds of this one. */
export const paced = (ms: number): number => Math.ceil(ms * pace());

/**
 * A limit that has run out, as it is on a machine that may have got busier since it was told its pace: what was waited for
 * counts as late only after this.
 */
export const pacedNow = (ms: number): number => Math.ceil(ms * Math.max(pace(), measurePace(2)));

/** Measures what tests consist of: processes that start, and computing. */
export function measurePace(rounds: number): number {
  const texts = Array.from(
    { length: 2000 },
    (_, i) => ({ id: `${i}`, text: "x".repeat(i % 100), parts: [i, i + 1] }),
  );
  const began = performance.now();
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < 3; i++) spawnSync("git", ["--version"]);
    for (let i = 0; i < 10; i++) JSON.parse(JSON.stringify(texts));
  }
  const factor = (performance.now() - began) / (rounds * REFERENCE_MS);
  return Math.max(1, Math.round(10 * factor) / 10);
}
