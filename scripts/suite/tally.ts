/** Reads what the runtimes' own test runners print. */
import type { Runtime } from "./jobs.ts";

export interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

export const nothing = (): Tally => ({ passed: 0, failed: 0, skipped: 0 });

export function add(to: Tally, { passed, failed, skipped }: Tally): void {
  to.passed += passed;
  to.failed += failed;
  to.skipped += skipped;
}

export const tallyText = ({ passed, failed, skipped }: Tally): string =>
  `${passed} passed, ${failed} failed, ${skipped} skipped`;

/** The counts of one process. One that ended badly without a failed test has failed all the same. */
export function tallyOf(runtime: Runtime, output: string, code: number): Tally {
  const tally = runtime === "bun" ? countBun(output) : countDeno(output);
  if (code !== 0 && tally.failed === 0) tally.failed = 1;
  return tally;
}

function countBun(output: string): Tally {
  const number = (word: string) => Number(new RegExp(`^ *(\\d+) ${word}$`, "m").exec(output)?.[1] ?? 0);
  return {
    passed: number("pass"),
    failed: number("fail") + number("errors?"),
    skipped: number("skip") + number("todo"),
  };
}

function countDeno(output: string): Tally {
  const last = [
    ...output.matchAll(
      /(\d+) passed(?: \(\d+ steps?\))? \| (\d+) failed(?: \(\d+ steps?\))?(?: \| (\d+) ignored)?/g,
    ),
  ].at(-1);
  return { passed: Number(last?.[1] ?? 0), failed: Number(last?.[2] ?? 0), skipped: Number(last?.[3] ?? 0) };
}
