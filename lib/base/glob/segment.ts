/** Counts character comparisons, to limit the time of untrusted globs. */
export interface Work {
  steps: number;
}

/**
 * One token of a segment: a character, any character, any number of any characters, or a character of a set.
 */
export type Token =
  | { readonly kind: "one"; readonly point: number }
  | { readonly kind: "any" }
  | { readonly kind: "star" }
  | {
    readonly kind: "set";
    readonly isNegated: boolean;
    readonly ranges: readonly (readonly [number, number])[];
  };

/** The part of a glob between two slashes. `literal` is set if it has no wildcards. */
export interface Segment {
  readonly literal: string | undefined;
  readonly tokens: readonly Token[];
}

/**
 * Returns whether a name matches. On a mismatch only the last star is extended, by one character: extending
 * an earlier one would only leave less for the rest. So the work is at most the product of both lengths.
 */
export function matchesSegment({ literal, tokens }: Segment, name: string, work: Work): boolean {
  if (literal !== undefined) {
    work.steps++;
    return literal === name;
  }
  const points = Array.from(name, (character) => character.codePointAt(0) ?? 0);
  let token = 0;
  let at = 0;
  let star = -1;
  let taken = 0;
  for (; at < points.length; work.steps++) {
    const wanted = tokens[token];
    if (wanted?.kind === "star") {
      star = token++;
      taken = at;
    } else if (wanted && takes(wanted, points[at] ?? 0)) {
      token++;
      at++;
    } else if (star >= 0) {
      token = star + 1;
      at = ++taken;
    } else {
      return false;
    }
  }
  while (tokens[token]?.kind === "star") token++;
  return token === tokens.length;
}

function takes(token: Token, point: number): boolean {
  switch (token.kind) {
    case "one":
      return token.point === point;
    case "any":
    case "star":
      return true;
    case "set":
      return token.ranges.some(([from, to]) => from <= point && point <= to) !== token.isNegated;
  }
}
