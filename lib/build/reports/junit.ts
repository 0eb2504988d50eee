import { SaxesParser } from "saxes";
import { onOneLine } from "../../base/text.ts";

/** Elements within elements: far deeper than any report. */
const MAX_DEPTH = 100;
/** Tests of one build that are counted. */
const MAX_TESTS = 1_000_000;
const MAX_NAME = 150;
const MAX_MESSAGE = 150;
/** Names that are kept of each kind: a result has room for 64 KiB in all. */
const KEPT_FAILURES = 15;
const KEPT_SLOWEST = 5;

/** What the reports of a build say together. */
export interface TestSummary {
  /** Reports that were read. */
  reports: number;
  tests: number;
  failures: number;
  skipped: number;
  seconds: number;
  /** The first of those that failed. */
  readonly failed: { readonly name: string; readonly message: string }[];
  /** The longest first. */
  readonly slowest: { readonly name: string; readonly seconds: number }[];
}

export const emptySummary = (): TestSummary => ({
  reports: 0,
  tests: 0,
  failures: 0,
  skipped: 0,
  seconds: 0,
  failed: [],
  slowest: [],
});

interface Test {
  readonly name: string;
  readonly seconds: number;
  outcome: "passed" | "failed" | "skipped";
  message: string;
}

/**
 * Reads a JUnit report, which may come from anybody: no entity but XML's own is known, no document type is
 * followed, and depth and sizes are bounded. Returns its tests, which `addTests` counts. Throws an Error with
 * a message of one line for what is no such report.
 */
export async function readJunit(bytes: AsyncIterable<Uint8Array>): Promise<Test[]> {
  const tests: Test[] = [];
  const parser = new SaxesParser({ xmlns: false });
  let open: Test | undefined;
  let inFailure = false;
  let depth = 0;
  parser.on("opentag", ({ name, attributes }) => {
    if (depth === 0 && name !== "testsuites" && name !== "testsuite") {
      throw new Error(`it begins with <${name.slice(0, 40)}>, expected <testsuites> or <testsuite>`);
    }
    if (++depth > MAX_DEPTH) throw new Error(`it is nested more than ${MAX_DEPTH} deep`);
    if (name === "testcase") {
      if (tests.length >= MAX_TESTS) throw new Error(`it has more than ${MAX_TESTS} tests`);
      open = testOf(attributes);
      tests.push(open);
    } else if (open && (name === "failure" || name === "error")) {
      open.outcome = "failed";
      inFailure = open.message === "";
      if (inFailure) open.message = shortened(attributes.message ?? "", MAX_MESSAGE);
    } else if (open && name === "skipped" && open.outcome === "passed") open.outcome = "skipped";
  });
  const take = (text: string) => {
    if (open && inFailure && open.message === "") open.message = shortened(text, MAX_MESSAGE);
  };
  parser.on("text", take);
  parser.on("cdata", take);
  parser.on("closetag", ({ name }) => {
    depth--;
    if (name === "testcase") open = undefined;
    if (name === "failure" || name === "error") inFailure = false;
  });
  const decoder = new TextDecoder();
  for await (const chunk of bytes) parser.write(harmless(decoder.decode(chunk, { stream: true })));
  parser.write(harmless(decoder.decode())).close();
  return tests;
}

/** Adds the tests of one report to a summary. */
export function addTests(summary: TestSummary, tests: readonly Test[]): void {
  summary.reports++;
  summary.tests += tests.length;
  for (const { name, seconds, outcome, message } of tests) {
    summary.seconds += seconds;
    if (outcome === "skipped") summary.skipped++;
    if (outcome === "failed") {
      summary.failures++;
      if (summary.failed.length < KEPT_FAILURES) summary.failed.push({ name, message });
    }
    const shortest = summary.slowest.at(-1);
    if (seconds === 0 || (summary.slowest.length === KEPT_SLOWEST && seconds <= (shortest?.seconds ?? 0))) {
      continue;
    }
    summary.slowest.push({ name, seconds });
    summary.slowest.sort((a, b) => b.seconds - a.seconds);
    summary.slowest.splice(KEPT_SLOWEST);
  }
}

function testOf(attributes: Readonly<Record<string, string>>): Test {
  const { classname = "", name = "" } = attributes;
  const whole = classname === "" || name.startsWith(classname) ? name : `${classname}.${name}`;
  return {
    name: shortened(whole, MAX_NAME) || "(without a name)",
    seconds: secondsIn(attributes.time ?? ""),
    outcome: "passed",
    message: "",
  };
}

/** Some writers put commas into large numbers. */
function secondsIn(text: string): number {
  const seconds = Number(text.slice(0, 40).replaceAll(",", ""));
  return Number.isFinite(seconds) && seconds > 0 ? seconds : 0;
}

function shortened(text: string, most: number): string {
  const line = onOneLine(text.slice(0, 4 * most));
  return line.length > most ? `${line.slice(0, most)}…` : line;
}

/** Writers forget that XML has no control characters: those are no reason not to read the rest. */
function harmless(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, "\ufffd");
}
