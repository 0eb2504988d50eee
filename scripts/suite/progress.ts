/** Reads how far a job's tests have got from what the runtimes' test runners print. */
import { type Job, nameOf } from "./jobs.ts";

/** Deno's own remark on a test that takes long, in the middle of its line. */
const STILL_RUNNING = /'[^\n]*' has been running for over \([\dms]+\)\n/g;

/** A test's title and how long it took. */
export interface Timed {
  readonly title: string;
  readonly ms: number;
}

/** Those that have passed. */
export function timesIn(output: string): Timed[] {
  const timed = output.replaceAll(STILL_RUNNING, "").matchAll(
    /^(?:\(pass\) )?(.+?)(?: \.\.\. .*ok)? [[(](?:(\d+)m)?([\d.]+)(ms|s)[\])]$/gm,
  );
  return [...timed]
    .map(([, title = "", minutes = "0", value = "0", unit]) => ({
      title,
      ms: Number(minutes) * 60_000 + Number(value) * (unit === "ms" ? 1 : 1000),
    }))
    .filter(({ title }) => !/^(Ran \d+ tests|(?:ok|FAILED) \|)/.test(title));
}

const BUN_END = /^\((?:pass|fail|skip|todo)\) (.*?)(?: \[[\d.]+m?s\])?$/gm;
const DENO_END = /^(.*) \.\.\. (?:ok|FAILED|cancelled|ignored)\b.*$/gm;
const DENO_START = /^(.*) \.\.\.(?:\s|$)/gm;
const BUN_FILE = /^(\S+_test\.ts):$/gm;
const DENO_FILE = /^running \d+ tests? from \.?\/?(\S+)$/gm;

/** How many tests have ended, one way or another. */
export function endedIn(output: string): number {
  const text = output.replaceAll(STILL_RUNNING, "");
  return [...text.matchAll(BUN_END)].length + [...text.matchAll(DENO_END)].length;
}

/** What was under way when the output ended there, in words that name the file and the test. */
export function runningIn(job: Job, output: string): string {
  const file = last(output, job.runtime === "bun" ? BUN_FILE : DENO_FILE) ?? job.files[0] ?? nameOf(job);
  const where = `${file} on ${job.runtime === "bun" ? "Bun" : "Deno"}`;
  if (job.runtime === "deno") {
    const text = output.replaceAll(STILL_RUNNING, "");
    const started = last(text, DENO_START);
    return started === undefined || started === last(text, DENO_END)
      ? `The process of ${where}`
      : `The test "${started}" in ${where}`;
  }
  // Bun names a test when it has ended.
  const own = output.slice(output.lastIndexOf(`${file}:`));
  const before = last(own, BUN_END);
  return before === undefined
    ? `The first test in ${where}`
    : `What comes after the test "${before}" in ${where}`;
}

const last = (text: string, pattern: RegExp): string | undefined => [...text.matchAll(pattern)].at(-1)?.[1];
