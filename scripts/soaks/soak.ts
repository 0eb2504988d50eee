import { delay, withDeadline } from "../../lib/base/signals.ts";

/** Runs that come and go while a fault is made again and again. */
export interface Soak {
  readonly name: string;
  /** Starts everything that takes part, for as long as `parts`. */
  prepare(parts: AsyncDisposableStack): Promise<Scene>;
}

export interface Scene {
  /** The number of runs at a time. */
  readonly atOnce: number;
  /** Submits run number `i` and waits for its end. Throws if it does not end. */
  run(i: number): Promise<Ended>;
  /** Makes a fault and repairs it. */
  strike?(): Promise<void>;
  /** The shortest and longest pause between two faults, milliseconds. Default: 500 and 3,500. */
  readonly pauseMs?: readonly [number, number];
  /** Makes faults until the last run has ended, which takes longer. Default: until the last run has begun. */
  readonly strikesToTheEnd?: boolean;
  /** A run that takes longer counts as lost, milliseconds. Default: 120,000. */
  readonly patienceMs?: number;
  /** Called once all runs have ended. Returns what is wrong then. */
  leftovers?(): Promise<string[]>;
}

export interface Ended {
  /** `succeeded`, or the reason. */
  readonly outcome: string;
  /** What is wrong with it. */
  readonly wrong: readonly string[];
}

export interface Outcome {
  readonly name: string;
  readonly faults: number;
  /** The number of runs by outcome: `120 succeeded, 3 driver-lost`. */
  readonly runs: string;
  /** The longest time from a fault to the end of all runs that were open at that moment, seconds. */
  readonly slowest: number;
  readonly wrong: readonly string[];
}

/** Starts runs under the fault for this long, then waits for the last of them. */
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

/** Runs one. What it throws becomes its outcome. */
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

/** Returns a random one. */
export function oneOf<T>(all: readonly T[]): T {
  const one = all[Math.floor(Math.random() * all.length)];
  if (one === undefined) throw new RangeError("There is none");
  return one;
}
