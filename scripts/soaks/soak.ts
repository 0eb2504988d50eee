import { delay } from "../../lib/base/signals.ts";
import type { Fleet, FollowedRun } from "../../tests/support/fleet.ts";
import { pipelineOf } from "../../tests/support/worker.ts";

/** A fault that comes again and again while runs come and go. */
export interface Soak {
  readonly name: string;
  /** Starts what takes the runs' events, drivers named `talker` and `last`; answers what does the fault and mends it. */
  prepare(fleet: Fleet, parts: AsyncDisposableStack): Promise<() => Promise<void>>;
}

export interface Outcome {
  readonly name: string;
  readonly runs: number;
  readonly strikes: number;
  /** Of the slowest run, seconds. */
  readonly slowest: number;
  readonly wrong: readonly string[];
}

/** Lines that each run writes. */
export const LINES = 200;
const AT_ONCE = 8;

/** Lets runs flow under the fault for so long, then waits for the last of them. */
export async function soak(fleet: Fleet, { name, prepare }: Soak, ms: number): Promise<Outcome> {
  await using parts = new AsyncDisposableStack();
  const strike = await prepare(fleet, parts);
  const end = performance.now() + ms;
  const isOver = () => performance.now() >= end;
  const seen = { runs: 0, strikes: 0, slowest: 0, wrong: [] as string[] };
  const flow = async () => {
    while (!isOver()) {
      const began = performance.now();
      const run = await fleet.submit({}, pipelineOf("talker last!"));
      await run.ended;
      seen.runs++;
      seen.slowest = Math.max(seen.slowest, (performance.now() - began) / 1000);
      seen.wrong.push(...wrongIn(run));
    }
  };
  const strikes = async () => {
    while (!isOver()) {
      await delay(500 + Math.random() * 3000);
      await strike();
      seen.strikes++;
    }
  };
  await Promise.all([strikes(), ...Array.from({ length: AT_ONCE }, flow)]);
  return { name, ...seen };
}

/** What is not as it should be: each step ended once and well, and of the attempt that counted each line once, in order. */
function wrongIn(run: FollowedRun): string[] {
  const found: string[] = [];
  const steps = run.events.flatMap((event) =>
    event.type === "step" && event.status !== "started" ? [`${event.step} ${event.status}`] : []
  );
  if (`${steps}` !== "talker succeeded,last succeeded") found.push(`${run.id}: ${steps}`);
  const said = run.events.flatMap((event) => event.type === "log" ? [event.message] : []);
  // An attempt that was overtaken may have said the beginning.
  const lines = said.slice(said.lastIndexOf("line 1")).filter((line) => line.startsWith("line "));
  if (lines.length !== LINES || lines.some((line, i) => line !== `line ${i + 1}`)) {
    found.push(`${run.id}: ${lines.length} lines, the last is ${lines.at(-1)}`);
  }
  return found;
}
