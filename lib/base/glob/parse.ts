import { endOfBrackets, expandBraces, GlobProblem } from "./expand.ts";
import type { Segment, Token } from "./segment.ts";

/** `**`: any number of folders, including none. */
export const FOLDERS = "folders";
/** Any one name: an entry directly in a folder. */
export const BELOW = "below";
/** Everything in a folder, at any depth and with any name. */
export const ALL = "all";

/** What a glob requires of a path, folder by folder. */
export type Part = Segment | typeof FOLDERS | typeof BELOW | typeof ALL;

export interface Alternative {
  readonly parts: readonly Part[];
  /** The path before the first wildcard: every match is this path or below it. */
  readonly base: string;
  /** Whether the glob names a folder `.git`. */
  readonly namesGit: boolean;
}

export interface ParseOptions {
  readonly takesAway: boolean;
  /** Whether a folder stands for itself, not for its content. */
  readonly isExact: boolean;
}

/** Parses a glob without its leading `!`. Throws `GlobProblem`. */
export function parseAlternatives(text: string, options: ParseOptions): Alternative[] {
  return expandBraces(text).map((one) => parseOne(one, options));
}

function parseOne(text: string, { takesAway, isExact }: ParseOptions): Alternative {
  const { segments, isFolder } = segmentsOf(text);
  const path = segments.filter((segment) =>
    segment === FOLDERS || (segment.literal !== "" && segment.literal !== ".")
  );
  if (path.some((segment) => segment !== FOLDERS && segment.literal === "..")) {
    throw new GlobProblem('".." leads out of it');
  }
  const last = path.at(-1);
  const parts: Part[] = [...path];
  // An exclusion without a slash is a name in any folder: people write "*.map" and "node_modules" for that.
  if (takesAway && !isExact && path.length === 1 && last !== FOLDERS) parts.unshift(FOLDERS);
  if (isExact) return { parts, base: "", namesGit: false };
  if (isFolder) parts.push(BELOW, ALL);
  else if (takesAway || last === undefined || (last !== FOLDERS && last.literal !== undefined)) {
    parts.push(ALL);
  }
  const fixed = path.findIndex((segment) => segment === FOLDERS || segment.literal === undefined);
  const base = (fixed < 0 ? path : path.slice(0, fixed)).map((segment) => (segment as Segment).literal);
  const namesGit = path.some((segment) => segment !== FOLDERS && segment.literal === ".git");
  return { parts, base: base.join("/"), namesGit };
}

function segmentsOf(text: string): { segments: (Segment | typeof FOLDERS)[]; isFolder: boolean } {
  const segments: (Segment | typeof FOLDERS)[] = [];
  let tokens: Token[] = [];
  let begin = 0;
  const end = (at: number) => {
    segments.push(text.slice(begin, at) === "**" ? FOLDERS : segmentOf(tokens));
    tokens = [];
    begin = at + 1;
  };
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "/") {
      end(i);
      continue;
    }
    const { token, next } = tokenAt(text, i, begin);
    tokens.push(token);
    i = next - 1;
  }
  end(text.length);
  return { segments, isFolder: text.endsWith("/") };
}

function segmentOf(tokens: readonly Token[]): Segment {
  const isLiteral = tokens.every(({ kind }) => kind === "one");
  const literal = isLiteral
    ? tokens.map((token) => token.kind === "one" ? String.fromCodePoint(token.point) : "").join("")
    : undefined;
  return { literal, tokens };
}

/** Returns the character or wildcard at `at`; `begin` is the start of its segment. */
function tokenAt(text: string, at: number, begin: number): { token: Token; next: number } {
  const sign = text[at] ?? "";
  if ("?*+@!".includes(sign) && text[at + 1] === "(") {
    throw new GlobProblem(
      `${sign}(…) is a shell pattern that is not supported; write ${sign}\\( for a parenthesis in a name`,
    );
  }
  switch (sign) {
    case "*": {
      if (text[at + 1] !== "*") return { token: { kind: "star" }, next: at + 1 };
      const isWhole = at === begin && (text[at + 2] === undefined || text[at + 2] === "/");
      if (!isWhole) {
        throw new GlobProblem(
          '"**" is any number of folders and stands alone between slashes, like "**/*.js"',
        );
      }
      return { token: { kind: "star" }, next: at + 2 };
    }
    case "?":
      return { token: { kind: "any" }, next: at + 1 };
    case "[": {
      const end = endOfBrackets(text, at);
      return { token: setOf(text.slice(at + 1, end)), next: end + 1 };
    }
    case "|":
      throw new GlobProblem("a | is not known here, expected {a,b}; write \\| for one in a name");
    case "\\": {
      const escaped = text.codePointAt(at + 1);
      if (escaped === undefined) {
        throw new GlobProblem("it ends in a backslash, expected the character that is meant");
      }
      return oneAt(escaped, at + 1);
    }
    default:
      return oneAt(text.codePointAt(at) ?? 0, at);
  }
}

function oneAt(point: number, at: number): { token: Token; next: number } {
  return { token: { kind: "one", point }, next: at + String.fromCodePoint(point).length };
}

/** Parses the set between two brackets. */
function setOf(text: string): Token {
  const isNegated = text.startsWith("!") || text.startsWith("^");
  const points: { point: number; isEscaped: boolean }[] = [];
  const signs = Array.from(isNegated ? text.slice(1) : text);
  for (let i = 0; i < signs.length; i++) {
    if (signs[i] === "/") {
      throw new GlobProblem("a / in brackets never matches, expected characters of one name");
    }
    if (signs[i] === "[" && ":.=".includes(signs[i + 1] ?? "?")) {
      throw new GlobProblem(
        "classes like [:alpha:] are not known here, expected characters and ranges like [a-z]",
      );
    }
    const isEscaped = signs[i] === "\\";
    if (isEscaped) i++;
    points.push({ point: signs[i]?.codePointAt(0) ?? 0, isEscaped });
  }
  const ranges: [number, number][] = [];
  for (let i = 0; i < points.length; i++) {
    const from = points[i]?.point ?? 0;
    const isRange = points[i + 1]?.point === 0x2d && !points[i + 1]?.isEscaped && i + 2 < points.length;
    const to = isRange ? points[i + 2]?.point ?? 0 : from;
    if (to < from) throw new GlobProblem("a range in brackets runs backwards, expected one like [a-z]");
    ranges.push([from, to]);
    if (isRange) i += 2;
  }
  return { kind: "set", isNegated, ranges };
}
