import { spawnSync } from "node:child_process";

/** Duration of a round on the idle machine on which the limits in tests were chosen, milliseconds. */
const REFERENCE_MS = 12;
/** The variable by which a run of the suite tells its tests the measured pace. */
export const PACE_VARIABLE = "CONVEYOR_TEST_PACE";

/**
 * How many times longer things take on this machine under its present load than where the limits were chosen:
 * 1 or more.
 */
export function pace(): number {
  const told = Number(process.env[PACE_VARIABLE]);
  if (told >= 1) return told;
  const measured = measurePace(2);
  process.env[PACE_VARIABLE] = String(measured);
  return measured;
}

/** Converts milliseconds of that machine to milliseconds of this one. */
export const paced = (ms: number): number => Math.ceil(ms * pace());

/**
 * As `paced`, by a new measurement if the machine has become busier. Once `paced` has passed, only this makes
 * it too late.
 */
export const pacedNow = (ms: number): number => Math.ceil(ms * Math.max(pace(), measurePace(2)));

/** Measures the work of tests: starting processes, and computing. */
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
