import { InputError } from "../errors.ts";
import { GlobProblem } from "./expand.ts";
import { ALL, type Alternative, BELOW, FOLDERS, parseAlternatives, type Part } from "./parse.ts";
import { matchesSegment, type Segment, type Work } from "./segment.ts";

/**
 * A pattern for paths: `*`, `?` and `[a-z]` within a name, `**` for any number of folders, `{a,b}`, `\` to
 * escape a character. A glob that begins with `!` excludes (`takesAway`).
 *
 * As in shells, a wildcard does not match a leading dot of a name. None matches `.git`, which must be named.
 * An excluding glob matches more: its wildcards match any name, without a slash it matches a name in any
 * folder, and for a folder it matches everything in it.
 */
export interface Glob {
  readonly text: string;
  readonly takesAway: boolean;
  readonly alternatives: readonly Alternative[];
}

export interface GlobOptions {
  readonly isExact?: boolean;
}

/** Maximum length of a glob, characters: longer than any path that can be stored. */
const MAX_GLOB_LENGTH = 1024;
const MAX_GLOBS = 256;
/** Maximum number of invalid globs that an error names. */
const MAX_NAMED = 20;
/** Maximum total length of a list's globs with their braces expanded, characters. */
const MAX_TOTAL_LENGTH = 16 * 1024;

/**
 * Parses a glob. Throws `InputError` with the glob and the problem. An exact glob (`isExact`) matches names,
 * not what is below them.
 */
export function parseGlob(text: string, { isExact = false }: GlobOptions = {}): Glob {
  const refuse = (why: string) => new InputError(`Invalid glob ${quote(text)}: ${why}`);
  if (text.length > MAX_GLOB_LENGTH) {
    throw refuse(`it has ${text.length} characters, expected ${MAX_GLOB_LENGTH} at most`);
  }
  const takesAway = text.startsWith("!") && !text.startsWith("!(");
  const pattern = takesAway ? text.slice(1) : text;
  if (pattern === "") throw refuse("expected a pattern");
  if (takesAway && pattern.startsWith("!")) {
    throw refuse("expected one ! at most, or \\! for a name with one");
  }
  if (pattern.startsWith("/")) throw refuse("expected a path without a / at its beginning");
  try {
    return { text, takesAway, alternatives: parseAlternatives(pattern, { takesAway, isExact }) };
  } catch (error) {
    if (!(error instanceof GlobProblem)) throw error;
    throw refuse(error.message);
  }
}

/** Parses a spec's list of globs. Throws `InputError` with one line per invalid glob. */
export function parseGlobs(texts: readonly string[], options: GlobOptions = {}): Glob[] {
  if (texts.length > MAX_GLOBS) {
    throw new InputError(`Too many globs: ${texts.length}, expected ${MAX_GLOBS} at most`);
  }
  const problems: string[] = [];
  const globs = texts.flatMap((text) => {
    try {
      return [parseGlob(text, options)];
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      problems.push(error.message);
      return [];
    }
  });
  if (problems.length > MAX_NAMED) {
    problems.splice(MAX_NAMED, Infinity, `and ${problems.length - MAX_NAMED} more`);
  }
  if (problems.length > 0) throw new InputError(problems.join("\n"));
  if (globs.length > 0 && globs.every(({ takesAway }) => takesAway)) {
    throw new InputError(
      `The glob ${quote(texts[0] ?? "")} takes away from nothing: expected one without ! as well`,
    );
  }
  const total = globs.flatMap(({ alternatives }) => alternatives.map(lengthOf)).reduce((a, b) => a + b, 0);
  if (total > MAX_TOTAL_LENGTH) {
    throw new InputError(
      `The globs have ${total} characters with their braces written out, expected ${MAX_TOTAL_LENGTH} at most`,
    );
  }
  return globs;
}

/** Returns whether the whole path matches. An excluding glob matches what it excludes. */
export function matchesGlob(glob: Glob, path: string, work: Work = { steps: 0 }): boolean {
  const names = path.split("/");
  return glob.alternatives.some((alternative) => {
    const { states } = walk(alternative, names, glob.takesAway, work);
    return states.has(alternative.parts.length);
  });
}

/** Returns whether a glob matches and no excluding glob does. */
export function isChosen(globs: readonly Glob[], path: string, work: Work = { steps: 0 }): boolean {
  const matches = (glob: Glob) => matchesGlob(glob, path, work);
  return globs.some((glob) => !glob.takesAway && matches(glob)) &&
    !globs.some((glob) => glob.takesAway && matches(glob));
}

/**
 * Returns whether the glob matches `path` by a name (not only by `**`) and continues below it; a symbolic
 * link there is then followed.
 */
export function goesThrough({ alternatives }: Glob, path: string, work: Work = { steps: 0 }): boolean {
  const names = path.split("/");
  return alternatives.some((alternative) => {
    const { byName } = walk(alternative, names, false, work);
    return [...byName].some((state) => state < alternative.parts.length);
  });
}

/**
 * Returns the states after all names; a state is the index of the next part to match. `byName` are the states
 * reached by matching the last name itself. All states are tracked at once, so the work is at most the
 * product of both lengths.
 */
function walk(
  { parts, namesGit }: Alternative,
  names: readonly string[],
  takesAway: boolean,
  work: Work,
): { states: ReadonlySet<number>; byName: ReadonlySet<number> } {
  let states = new Set<number>();
  let byName = new Set<number>();
  reach(parts, states, 0);
  for (const name of names) {
    const next = new Set<number>();
    byName = new Set();
    for (const state of states) {
      work.steps++;
      const part = parts[state];
      if (part === undefined) continue;
      if (part === ALL || part === BELOW) {
        const isFree = takesAway || namesGit || name !== ".git";
        if (isFree) reach(parts, next, part === ALL ? state : state + 1);
      } else if (part === FOLDERS) {
        if (takesAway || !name.startsWith(".")) reach(parts, next, state);
      } else if (takesAway || mayMatch(part, name)) {
        if (!matchesSegment(part, name, work)) continue;
        reach(parts, next, state + 1);
        byName.add(state + 1);
      }
    }
    states = next;
  }
  return { states, byName };
}

/** Adds a state, and those reached from it without a name. */
function reach(parts: readonly Part[], states: Set<number>, state: number): void {
  if (states.has(state)) return;
  states.add(state);
  if (parts[state] === FOLDERS || parts[state] === ALL) reach(parts, states, state + 1);
}

/** False if a wildcard may not match the name: `.git`, or a leading dot. */
function mayMatch({ literal, tokens: [first] }: Segment, name: string): boolean {
  if (literal !== undefined || !name.startsWith(".")) return true;
  return name !== ".git" && first?.kind === "one";
}

function lengthOf({ parts }: Alternative): number {
  return parts.reduce((sum, part) => sum + (typeof part === "string" ? 2 : part.tokens.length + 1), 0);
}

function quote(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}
