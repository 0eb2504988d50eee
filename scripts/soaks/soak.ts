import { delay, withDeadline } from "../../lib/base/signals.ts";

/** A world with a fault that comes again and again while runs come and go. */
export interface Soak {
  readonly name: string;
  /** Starts what takes part; it ends with `parts`. */
  prepare(parts: AsyncDisposableStack): Promise<Scene>;
}

export interface Scene {
  /** How many runs there are at a time. */
  readonly atOnce: number;
  /** Lets run number `i` happen, from its submission to its end. Throws where it does not end. */
  run(i: number): Promise<Ended>;
  /** Makes a fault and mends it. */
  strike?(): Promise<void>;
  /** Between two faults, milliseconds: the least and the most. Default: 500 and 3,500. */
  readonly pauseMs?: readonly [number, number];
  /** The faults go on until the last run has ended, which takes its time. Default: until no new one begins. */
  readonly strikesToTheEnd?: boolean;
  /** A run that takes longer has got lost. Default: 120,000. */
  readonly patienceMs?: number;
  /** Asked when all runs have ended: what is not as it should be. */
  leftovers?(): Promise<string[]>;
}

export interface Ended {
  /** `succeeded`, or why it did not. */
  readonly outcome: string;
  /** What is not as it should be. */
  readonly wrong: readonly string[];
}

export interface Outcome {
  readonly name: string;
  readonly faults: number;
  /** How many ended how: `120 succeeded, 3 driver-lost`. */
  readonly runs: string;
  /** The longest time from a fault until the last of the runs in hand at that moment had ended, seconds. */
  readonly slowest: number;
  readonly wrong: readonly string[];
}

/** Lets runs flow under the fault for so long, then waits for the last of them. */
export async function soak({ name, prepare }: Soak, ms: number): Promise<Outcome> {
  await using parts = new AsyncDisposableStack();
  const scene = await prepare(parts);
  const { pauseMs: [least, most] = [500, 3500], patienceMs = 120_000 } = scene;
  const over = performance.now() + ms;
  const isOver = () => performance.now() >= over;
  const faults: number[] = [];
  const runs: { began: number; ended: number; outcome: string }[] = [];
  const wrong: string[] = [];
  let flowing = scene.atOnce;
  const flow = async (first: number) => {
    for (let i = first; !isOver(); i += scene.atOnce) {
      const began = performance.now();
      const run = await withPatience(patienceMs, () => scene.run(i));
      wrong.push(...run.wrong);
      runs.push({ began, ended: performance.now(), outcome: run.outcome });
    }
    flowing--;
  };
  const strikes = async () => {
    while (scene.strike && (scene.strikesToTheEnd ? flowing > 0 : !isOver())) {
      await delay(least + Math.random() * (most - least));
      faults.push(performance.now());
      await scene.strike();
    }
  };
  await Promise.all([strikes(), ...Array.from({ length: scene.atOnce }, (_, i) => flow(i))]);
  wrong.push(...await scene.leftovers?.() ?? []);
  const recoveries = faults.flatMap((at) =>
    runs.flatMap(({ began, ended }) => began < at && at < ended ? [ended - at] : [])
  );
  return {
    name,
    faults: faults.length,
    runs: counted(runs.map(({ outcome }) => outcome)),
    slowest: Math.max(0, ...recoveries) / 1000,
    wrong,
  };
}

/** What the run answers, or what it throws as an answer. */
async function withPatience(ms: number, run: () => Promise<Ended>): Promise<Ended> {
  try {
    return await withDeadline(ms, (signal) =>
      Promise.race([
        run(),
        new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
      ]));
  } catch (error) {
    return { outcome: "lost", wrong: [`A run did not come to its end: ${error}`] };
  }
}

function counted(words: readonly string[]): string {
  return [...new Set(words)].map((word) => `${words.filter((one) => one === word).length} ${word}`).join(
    ", ",
  );
}

/** One of them, by chance. */
export function oneOf<T>(all: readonly T[]): T {
  const one = all[Math.floor(Math.random() * all.length)];
  if (one === undefined) throw new RangeError("There is none");
  return one;
}
