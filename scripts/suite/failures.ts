/**
 * Says at the end of a run what failed in it: a CI service may show no more than the last lines of a long
 * output.
 */
import { type Job, nameOf, type Runtime } from "./jobs.ts";

/** A job that failed, as its process and its lane tell it. */
export interface FailedJob {
  readonly job: Job;
  readonly output: string;
  readonly stuck: string | undefined;
  /** What it left behind. */
  readonly left: readonly string[];
}

export interface FailedTest {
  readonly title: string;
  /** The error: its message, the line of code and the stack. Empty where the output has none. */
  readonly details: readonly string[];
}

const LINES_OF_A_TEST = 40;
/** About as many as a CI service shows, less the counts around them. */
const LINES_IN_ALL = 80;
const WIDTH = 300;

/** The lines to print. Many failures share the room evenly, so that each is named. */
export function failureLines(jobs: readonly FailedJob[]): string[] {
  const parts = jobs.flatMap((failed) => {
    const heading = `failed: ${nameOf(failed.job)}`;
    const machinery = [...failed.stuck === undefined ? [] : [failed.stuck], ...failed.left.map(leftText)];
    const tests = failedTestsIn(failed.job.runtime, failed.output);
    if (tests.length === 0 && machinery.length === 0) {
      return [{
        title: `${heading}: no test is named; the end of its output:`,
        details: lastOf(failed.output),
      }];
    }
    return [
      ...machinery.map((title) => ({ title: `${heading}: ${title}`, details: [] })),
      ...tests.map(({ title, details }) => ({ title: `${heading}: ${title}`, details })),
    ];
  });
  const named = parts.slice(0, LINES_IN_ALL);
  const share = Math.min(LINES_OF_A_TEST, Math.floor(LINES_IN_ALL / Math.max(1, named.length)));
  const lines = named.flatMap(({ title, details }) => [
    clipped(title),
    ...middleLeftOut(details, share - 1).map((line) => clipped(`    ${line}`)),
  ]);
  const rest = parts.length - named.length;
  return rest > 0 ? [...lines, `… and ${rest} more`] : lines;
}

export const leftText = (what: string): string => `It has left something behind: ${what}`;

/** The tests that failed, and errors outside of tests. */
export function failedTestsIn(runtime: Runtime, output: string): FailedTest[] {
  return runtime === "bun" ? bunFailures(output) : denoFailures(output);
}

const OUTSIDE = /^# Unhandled error between tests\n-+\n([\s\S]*?)\n-{20,}$/gm;

/** Bun prints an error before the line of its test, after all that the test itself has printed. */
function bunFailures(output: string): FailedTest[] {
  const outside = [...output.matchAll(OUTSIDE)].map(([, text = ""]) => ({
    title: "Error between tests",
    details: errorIn(text.split("\n")),
  }));
  const tests: FailedTest[] = [];
  let file = "";
  let section: string[] = [];
  const lines = output.replaceAll(OUTSIDE, "").split("\n");
  for (const [i, line] of lines.entries()) {
    const [, header] = /^(\S+_test\.ts):$/.exec(line) ?? [];
    const [, state, title = ""] = /^\((pass|fail|skip|todo)\) (.*?)(?: \[[\d.]+m?s\])?$/.exec(line) ?? [];
    if (state === "fail") {
      const limit = lines[i + 1]?.startsWith("  ^ ") ? [lines[i + 1] ?? ""] : [];
      tests.push({ title: `${title} (${file})`, details: [...errorIn(section), ...limit] });
    }
    if (header !== undefined) file = header;
    if (header !== undefined || state !== undefined) section = [];
    else section.push(line);
  }
  return [...tests, ...outside];
}

const FRAME = /^ *\d+ \| /;
const ERROR = /^(?:\w*Error|error)\b.*: /;

/**
 * Without what the test printed before it, the code around the line that threw, and the runtime's part of the
 * stack.
 */
function errorIn(section: readonly string[]): string[] {
  const start = section.findIndex((line) => FRAME.test(line));
  const begin = start === -1 ? section.findIndex((line) => ERROR.test(line)) : start;
  return section.slice(Math.max(begin, 0)).filter((line, i, all) =>
    line.trim() !== "" && !(FRAME.test(line) && FRAME.test(all[i + 1] ?? "")) &&
    !/^\s+at .*\(?node:/.test(line)
  );
}

/** Deno lists the errors, and then once more where the failed tests are. */
function denoFailures(output: string): FailedTest[] {
  const [, errors = "", list = ""] =
    /\n ERRORS \n([\s\S]*)\n FAILURES \n([\s\S]*?)\n(?:FAILED|ok) \| /.exec(output) ?? [];
  const titles = list.split("\n").filter(Boolean);
  if (titles.length === 0) {
    return [...output.matchAll(/^(.*) \.\.\. FAILED\b.*$/gm)]
      .map(([, title = ""]) => ({ title, details: [] }));
  }
  const tests: { title: string; details: string[] }[] = [];
  for (const line of errors.split("\n")) {
    if (line === titles[tests.length]) tests.push({ title: line, details: [] });
    else if (line.trim() !== "") tests.at(-1)?.details.push(line);
  }
  return tests;
}

const lastOf = (output: string): string[] =>
  output.split("\n").filter((line) => line.trim() !== "").slice(-LINES_OF_A_TEST / 2);

/** The message comes first and the place last, so that what lies between may go. */
function middleLeftOut(lines: readonly string[], room: number): string[] {
  if (lines.length <= room) return [...lines];
  if (room < 4) return lines.slice(0, Math.max(room, 0));
  const tail = Math.floor(room / 4);
  const head = room - tail - 1;
  return [
    ...lines.slice(0, head),
    `… ${lines.length - head - tail} lines, which stand above …`,
    ...lines.slice(-tail),
  ];
}

const clipped = (line: string): string => line.length <= WIDTH ? line : `${line.slice(0, WIDTH)}…`;
