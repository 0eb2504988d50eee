/** A problem with a glob. The message does not name the glob; the caller adds it. */
export class GlobProblem extends Error {
  override readonly name = "GlobProblem";
}

/** Maximum number of globs that one glob's braces may expand to. */
const MAX_ALTERNATIVES = 256;

/**
 * Expands braces: `{a,b}c` becomes `ac` and `bc`. Throws `GlobProblem` for braces that are not closed, have
 * no comma, or expand to too many globs.
 */
export function expandBraces(text: string): string[] {
  let open = [text];
  const done: string[] = [];
  while (open.length > 0) {
    const next: string[] = [];
    for (const one of open) {
      const braces = firstBraces(one);
      if (!braces) done.push(one);
      else next.push(...braces.parts.map((part) => one.slice(0, braces.from) + part + one.slice(braces.to)));
      if (done.length + next.length > MAX_ALTERNATIVES) {
        throw new GlobProblem(
          `it stands for more than ${MAX_ALTERNATIVES} globs, expected fewer alternatives in braces`,
        );
      }
    }
    open = next;
  }
  return done;
}

/** Returns the first pair of braces that is not escaped or in brackets, and the texts between its commas. */
function firstBraces(text: string): { from: number; to: number; parts: string[] } | undefined {
  let from = -1;
  let depth = 0;
  let begin = 0;
  const parts: string[] = [];
  for (let i = 0; i < text.length; i++) {
    const sign = text[i];
    if (sign === "\\") i++;
    else if (sign === "[") i = endOfBrackets(text, i);
    else if (sign === "{") {
      if (depth++ > 0) continue;
      from = i;
      begin = i + 1;
    } else if (sign === "," && depth === 1) {
      parts.push(text.slice(begin, i));
      begin = i + 1;
    } else if (sign === "}") {
      if (depth === 0) throw new GlobProblem("a } without its {, write \\} for a brace in a name");
      if (--depth > 0) continue;
      if (parts.length === 0) {
        throw new GlobProblem("braces without a comma, expected {a,b}; write \\{ for a brace in a name");
      }
      parts.push(text.slice(begin, i));
      return { from, to: i + 1, parts };
    }
  }
  if (depth > 0) throw new GlobProblem("a { without its }, write \\{ for a brace in a name");
  return undefined;
}

/**
 * Returns the index of the bracket that closes the one at `from`. A `]` at the start of the set is a
 * character.
 */
export function endOfBrackets(text: string, from: number): number {
  let i = from + 1;
  if (text[i] === "!" || text[i] === "^") i++;
  if (text[i] === "]") i++;
  for (; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === "]") return i;
  }
  throw new GlobProblem("a [ without its ], write \\[ for a bracket in a name");
}
