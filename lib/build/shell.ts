import { z } from "zod";
import { noNul } from "./no-nul.ts";

/** How the texts of a build's commands are run: by a known shell, or by the words before the text. */
export const Shell = z.union([z.enum(["sh", "bash"]), z.array(noNul("arguments").min(1)).min(1)]);
export type Shell = z.infer<typeof Shell>;

/** Ends at the first command that fails; bash also at one that fails within a pipe. */
const WORDS: Readonly<Record<"sh" | "bash", readonly string[]>> = {
  sh: ["/bin/sh", "-ec"],
  bash: ["bash", "-eo", "pipefail", "-c"],
};

/** Returns a command as the arguments of a program. */
export function wordsOf(command: string | readonly string[], shell: Shell): readonly string[] {
  if (typeof command !== "string") return command;
  return [...typeof shell === "string" ? WORDS[shell] : shell, command];
}
