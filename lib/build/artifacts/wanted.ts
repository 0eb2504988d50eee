import { z } from "zod";
import { type Glob, parseGlobs } from "../../base/glob/glob.ts";
import { InputError } from "../../base/errors.ts";
import { noNul } from "../no-nul.ts";

const globText = noNul("a glob").min(1);

/** An entry of `spec.artifacts`: a glob, or a glob with how a build must end for its files to be kept. */
export const ArtifactEntry = z.union([
  globText,
  z.strictObject({
    glob: globText,
    when: z.enum(["success", "failure", "always"]).default("success"),
    allowEmpty: z.boolean().default(false),
    times: z.boolean().default(false),
  }),
]);
export type ArtifactEntry = z.infer<typeof ArtifactEntry>;

/** How a build ended: `failure` includes a timeout, `stopped` is a cancelled build. */
export type BuildEnd = "success" | "failure" | "stopped";

/** A parsed entry of `spec.artifacts`. */
export interface WantedGlob {
  readonly glob: Glob;
  readonly when: "success" | "failure" | "always";
  /** Whether the build may succeed although the glob chooses no file. */
  readonly allowEmpty: boolean;
  /** Whether the times of modification are kept. */
  readonly times: boolean;
}

/** What an entry that is a text says. */
const USUAL = { when: "success", allowEmpty: false, times: false } as const;

/** Parses the entries. Throws InputError with one line per problem. */
export function parseWanted(entries: readonly ArtifactEntry[]): WantedGlob[] {
  const whole = entries.map((entry) => typeof entry === "string" ? { ...USUAL, glob: entry } : entry);
  const globs = parseGlobs(whole.map(({ glob }) => glob));
  const conditional = entries.find((entry, i) => typeof entry !== "string" && globs[i]?.takesAway);
  if (typeof conditional === "object") {
    throw new InputError(
      `Invalid glob ${
        JSON.stringify(conditional.glob)
      }: a glob with ! takes away however the build ends, expected it as a text, without "when", "allowEmpty" and "times"`,
    );
  }
  return globs.map((glob, i) => ({ ...USUAL, ...whole[i], glob }));
}

/** Returns the globs for a build that ended so. Empty if none of them chooses files. */
export function wantedAt(wanted: readonly WantedGlob[], end: BuildEnd): WantedGlob[] {
  const those = wanted.filter(({ glob, when }) => glob.takesAway || when === "always" || when === end);
  return those.some(({ glob }) => !glob.takesAway) ? those : [];
}
