import { writeSync } from "node:fs";
import { checkRuntime } from "../driver/program/command-line/runtime-version.ts";
import { versionText } from "../driver/program/command-line/version.ts";
import { earlyHelp } from "./early-help.ts";

export interface EarlyAnswer {
  /** What else the program answers early. */
  readonly also?: (words: readonly string[]) => string | undefined;
  /** Returns the bytes that were written; by default to stdout. */
  readonly write?: (text: string) => number;
}

/**
 * Answers what needs no command line parser: `--version`, help, and what `also` answers, each exactly so
 * typed. Loading the parser takes longer than such an answer. Returns false for everything else,
 * and where stdout does not take the answer: the whole program then says why.
 */
export function answersEarly(
  name: string,
  words: readonly string[],
  { also, write = (text) => writeSync(1, text) }: EarlyAnswer = {},
): boolean {
  try {
    const answer = earlyHelp(name, words) ?? earlyVersion(name, words) ?? also?.(words);
    if (answer === undefined) return false;
    checkRuntime(process.versions);
    return write(answer) === Buffer.byteLength(answer);
  } catch {
    return false;
  }
}

function earlyVersion(name: string, [first, second, ...more]: readonly string[]): string | undefined {
  const isAsked = first === "--version" || first === "-v";
  const asJson = second === "--json";
  if (!isAsked || more.length > 0 || (second !== undefined && !asJson)) return undefined;
  return `${versionText(name, asJson)}\n`;
}
