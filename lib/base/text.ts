import { Buffer } from "node:buffer";

/**
 * Work on texts of others in time that grows as they do. A pattern like `\s+$` or `\s*\n\s*` begins anew at each character of
 * a long run, which takes the square of its length.
 */

/** The text without characters of this set at its end. */
export function withoutTrailing(text: string, characters: string): string {
  let end = text.length;
  while (end > 0 && characters.includes(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}

/** The lines of a text that are not blank, without blanks around them, on one line. */
export function onOneLine(text: string, joint = "; "): string {
  return text.split("\n").map((line) => line.trim()).filter((line) => line !== "").join(joint);
}

/** The beginning of the text that fits into so many bytes, with a mark where it is cut. */
export function cutText(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text;
  // A character that is cut in the middle becomes one of three bytes.
  return `${Buffer.from(text).toString("utf8", 0, maxBytes - 8)}…`;
}
