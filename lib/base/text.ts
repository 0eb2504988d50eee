import { Buffer } from "node:buffer";
import { InputError } from "./errors.ts";

/**
 * Functions on untrusted texts that take linear time. A pattern like `\s+$` or `\s*\n\s*` starts again at
 * each character of a long run of blanks, which takes quadratic time.
 */

/** Returns the text without trailing characters of this set. */
export function withoutTrailing(text: string, characters: string): string {
  let end = text.length;
  while (end > 0 && characters.includes(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}

/** Joins the text's lines that are not blank, trimmed, into one line. */
export function onOneLine(text: string, joint = "; "): string {
  return text.split("\n").map((line) => line.trim()).filter((line) => line !== "").join(joint);
}

/** Returns the beginning of the text that fits into `maxBytes`, with a mark if it is cut. */
export function cutText(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text;
  // A character that is cut in the middle becomes a replacement character of three bytes.
  return `${Buffer.from(text).toString("utf8", 0, maxBytes - 8)}…`;
}

/** Decodes UTF-8. Throws InputError for anything else: a replaced character would change what was meant. */
export function utf8Text(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new InputError("it is not a text in UTF-8");
  }
}
