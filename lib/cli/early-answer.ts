import { writeSync } from "node:fs";
import { checkRuntime } from "../driver/program/command-line/runtime-version.ts";
import { versionText } from "../driver/program/command-line/version.ts";
import { completionScript, SHELLS } from "./completion/completion-script.ts";
import { earlyHelp } from "./early-help.ts";

/**
 * Answers what needs no command line parser: `--version`, help, and a shell's completion script, each exactly
 * so typed. Loading the parser takes longer than such an answer. Returns false for everything else,
 * and where stdout does not take the answer: the whole program then says why.
 */
export function answersEarly(
  name: string,
  words: readonly string[],
  write: (text: string) => number = (text) => writeSync(1, text),
): boolean {
  try {
    const answer = earlyHelp(name, words) ?? answerTo(name, words);
    if (answer === undefined) return false;
    checkRuntime(process.versions);
    return write(answer) === Buffer.byteLength(answer);
  } catch {
    return false;
  }
}

function answerTo(name: string, words: readonly string[]): string | undefined {
  const [first, second, ...more] = words;
  if (more.length > 0) return undefined;
  const asJson = second === "--json";
  if ((first === "--version" || first === "-v") && (second === undefined || asJson)) {
    return `${versionText(name, asJson)}\n`;
  }
  const shell = SHELLS.find((known) => known === second);
  return name === "flutter-ci" && first === "completion" && shell ? completionScript(shell, name) : undefined;
}
