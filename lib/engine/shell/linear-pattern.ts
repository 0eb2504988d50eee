import { RE2JS } from "re2js";

/** What a JSON Schema's `pattern` is matched with. */
export interface TextMatcher {
  readonly test: (text: string) => boolean;
  readonly toString: () => string;
}

/**
 * Compiles a regular expression of ECMAScript so that matching takes time linear in the text. One with
 * look-around, back-references or a count above 1000 is left to the runtime, which promises no such thing.
 * Throws SyntaxError as `new RegExp` does.
 */
export function linearPattern(source: string, flags: string): TextMatcher {
  const native = new RegExp(source, flags);
  if (/\\u[dD][89a-fA-F]/.test(source)) return native;
  try {
    const compiled = RE2JS.compile(translated(source));
    // Ajv keeps matchers apart by their text.
    return { test: (text) => compiled.matcher(text).find(), toString: () => String(native) };
  } catch {
    return native;
  }
}

const BLANKS = String.raw`\t\n\v\f\r\x{a0}\x{feff}\x{2028}\x{2029}\p{Zs}`;

/** Writes what ECMAScript and RE2 understand differently so that both mean the same. */
function translated(source: string): string {
  let isInClass = false;
  const parts = source.match(/\\[^]|[^]/gu) ?? [];
  const text = parts.map((part) => {
    const wasInClass = isInClass;
    if (part === "[") isInClass = true;
    else if (part === "]") isInClass = false;
    if (part === "\\s") return wasInClass ? BLANKS : `[${BLANKS}]`;
    if (wasInClass) return part === "[" ? "\\[" : part;
    if (part === "\\S") return `[^${BLANKS}]`;
    return part === "." ? String.raw`[^\n\r\x{2028}\x{2029}]` : part;
  });
  return RE2JS.translateRegExp(text.join(""));
}
