import { Buffer } from "node:buffer";
import { shorten } from "./unpack.ts";

/**
 * File names of a container are bytes. As texts they are UTF-8; a byte that is not becomes a lone surrogate,
 * U+DC80 to U+DCFF, so that no two names become one and a name can be turned back.
 */
const ESCAPED = 0xdc00;

/** Returns the text of a name, or of a list of names. */
export function nameOf(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  if (!text.includes("\ufffd")) return text;
  const parts: string[] = [];
  let start = 0;
  for (let at = 0; at < bytes.length;) {
    const length = lengthAt(bytes, at);
    if (length === 0) {
      parts.push(bytes.toString("utf8", start, at), String.fromCharCode(ESCAPED + (bytes[at] ?? 0)));
      start = at + 1;
    }
    at += length || 1;
  }
  parts.push(bytes.toString("utf8", start));
  return parts.join("");
}

/** Returns the length of the UTF-8 character that begins at this byte; 0 if none does. */
function lengthAt(bytes: Buffer, at: number): number {
  const first = bytes[at] ?? 0;
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  // These exclude overlong forms, surrogates and what is past U+10FFFF.
  const least = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const most = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  const second = bytes[at + 1] ?? 0;
  if (second < least || second > most) return 0;
  for (let i = at + 2; i < at + length; i++) if (((bytes[i] ?? 0) & 0xc0) !== 0x80) return 0;
  return length;
}

/** Returns the bytes of a name: the reverse of `nameOf`. */
export function nameBytes(name: string): Uint8Array {
  if (isUtf8(name)) return Buffer.from(name);
  return Buffer.concat(
    Array.from(
      name,
      (character) =>
        isUtf8(character) ? Buffer.from(character) : Buffer.of(character.charCodeAt(0) - ESCAPED),
    ),
  );
}

/** Returns whether the name is UTF-8. */
export const isUtf8 = (name: string): boolean => !/\p{Surrogate}/u.test(name);

/** Returns a name for a message: shortened, in quotes, with `\xff` for a byte that is not UTF-8. */
export function showName(name: string): string {
  const escaped = Array.from(shorten(name), (character) => {
    const code = character.charCodeAt(0);
    // What JSON leaves alone of what a terminal would not show.
    const isHidden = (code >= 0x7f && code < 0xa0) || /^\p{Bidi_Control}$/u.test(character);
    if (isHidden) return `\\u${code.toString(16).padStart(4, "0")}`;
    return isUtf8(character)
      ? JSON.stringify(character).slice(1, -1)
      : `\\x${(code & 0xff).toString(16).padStart(2, "0")}`;
  });
  return `"${escaped.join("")}"`;
}
