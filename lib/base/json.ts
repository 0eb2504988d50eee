const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPENING = new Set([0x5b, 0x7b]);
const CLOSING = new Set([0x5d, 0x7d]);

/** Deeper than anything that people or drivers write, and far below what recursion can handle. */
export const MAX_JSON_DEPTH = 64;
/** A message may be deeper, because it wraps what its sender was allowed. */
export const MAX_MESSAGE_DEPTH = MAX_JSON_DEPTH + 8;

/** Arrays and objects are nested too deeply. */
export class NestingError extends Error {
  override readonly name = "NestingError";
}

/** The text is too long. */
export class LengthError extends Error {
  override readonly name = "LengthError";
}

/**
 * Maximum length of a JSON text, characters: more than anything in this project's protocols. Streams of bytes
 * have their own limits.
 */
const MAX_JSON_LENGTH = 64 * 1024 * 1024;

export interface JsonBounds {
  readonly maxDepth?: number;
  /** Characters. */
  readonly maxLength?: number;
}

/** As `JSON.parse`, for text that this project wrote and no one else could change. */
export function parseOwnJson<T>(text: string): T {
  return JSON.parse(text);
}

/**
 * As `JSON.parse`, for untrusted text. Rejects deep nesting before parsing, because later code walks through
 * the value recursively. Leaves out members named `__proto__`, which could become a prototype when copied.
 * Throws `NestingError`, `LengthError`, `SyntaxError`.
 */
export function parseJson(
  text: string,
  { maxDepth = MAX_JSON_DEPTH, maxLength = MAX_JSON_LENGTH }: JsonBounds = {},
): unknown {
  if (text.length > maxLength) {
    throw new LengthError(`It has ${text.length} characters, expected ${maxLength} at most`);
  }
  const depth = text.length > maxDepth ? nestingOf(text) : 0;
  if (depth > maxDepth) throw new NestingError(`It is nested ${depth} deep, expected ${maxDepth} at most`);
  // The key may also be escaped; such texts are as rare as the key itself.
  const isClean = !text.includes("__proto__") && !text.includes("\\u005");
  return isClean ? JSON.parse(text) : JSON.parse(text, withoutPrototype);
}

function withoutPrototype(key: string, value: unknown): unknown {
  return key === "__proto__" ? undefined : value;
}

/**
 * Returns how deeply arrays and objects are nested in a JSON text. Looks only at brackets and quotes, so it
 * accepts any text.
 */
export function nestingOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) i = endOfString(text, i);
    else if (OPENING.has(code)) deepest = Math.max(deepest, ++depth);
    else if (CLOSING.has(code)) depth--;
  }
  return deepest;
}

/**
 * Returns the text of a member's value in a JSON object, whose text must be valid. The text keeps what
 * parsing and writing it again would lose (big numbers, the order of keys). If a key occurs twice, the last
 * one counts, as for `JSON.parse`.
 */
export function memberText(text: string, key: string): string | undefined {
  let depth = 0;
  let start = -1;
  let isKey = true;
  let isWanted = false;
  let found: string | undefined;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) {
      const end = endOfString(text, i);
      if (depth === 1 && isKey) isWanted = JSON.parse(text.slice(i, end + 1)) === key;
      i = end;
    } else if (depth === 1 && code === COLON) {
      start = i + 1;
      isKey = false;
    } else if (depth === 1 && (code === COMMA || CLOSING.has(code))) {
      if (isWanted) found = text.slice(start, i).trim();
      isWanted = false;
      isKey = true;
      if (code !== COMMA) depth--;
    } else if (OPENING.has(code)) {
      depth++;
    } else if (CLOSING.has(code)) {
      depth--;
    }
  }
  return found;
}

/**
 * Returns the index of the quote that ends the string beginning at `at`; the end of the text if there is
 * none.
 */
function endOfString(text: string, at: number): number {
  let end = text.indexOf('"', at + 1);
  while (end >= 0) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return end;
    end = text.indexOf('"', end + 1);
  }
  return text.length;
}
