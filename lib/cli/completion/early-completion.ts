import { completionScript, SHELLS } from "./completion-script.ts";

/** Returns a shell's completion script if the words of `flutter-ci` ask for nothing else. */
export function earlyCompletion(words: readonly string[]): string | undefined {
  const [first, second, ...more] = words;
  const shell = SHELLS.find((known) => known === second);
  return first === "completion" && shell && more.length === 0
    ? completionScript(shell, "flutter-ci")
    : undefined;
}
