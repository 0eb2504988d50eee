import { Buffer } from "node:buffer";
import { shorten } from "./unpack.ts";

/**
 * File names of a container are bytes. As texts they are UTF-8; a byte that is not becomes a lone surrogate,
 * U+DC80 to U+DCFF, so that no two names become one and a name can be turned back.
 */
const ESCAPED = 0xdc00;

/** Valid UTF-8 in a text of one character for each byte, or one byte of something else. */
const UTF8 =
  // deno-lint-ignore no-control-regex
  /((?:[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|\xed[\x80-\x9f][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2})+)|[\x80-\xff]/g;

/** Returns the text of a name. */
export function nameOf(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  if (!text.includes("\ufffd")) return text;
  return bytes.toString("latin1").replace(
    UTF8,
    (byte, valid?: string) =>
      valid === undefined
        ? String.fromCharCode(ESCAPED + byte.charCodeAt(0))
        : Buffer.from(valid, "latin1").toString("utf8"),
  );
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
