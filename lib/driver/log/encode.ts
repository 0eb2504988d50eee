/** How a byte is written into a JSON string. */
const PLAIN = 0;
const SHORT_ESCAPE = 1;
const CONTROL = 2;
const NUL = 3;
const MULTIBYTE = 4;

const KINDS = kinds();
const SHORT: Readonly<Record<number, number>> = { 0x09: 0x74, 0x22: 0x22, 0x5c: 0x5c };
const HEX = new TextEncoder().encode("0123456789abcdef");
const BACKSLASH = 0x5c;
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/** The most bytes that one byte of a line can become. */
export const MOST_PER_BYTE = 6;

/**
 * Writes `bytes[start, end)`, which should be UTF-8, into `out` from `at` as the content of a JSON string,
 * and returns the end offset. NUL and invalid UTF-8 become U+FFFD. `out` needs room for MOST_PER_BYTE times
 * the bytes.
 *
 * Every byte of every log passes here, so nothing is decoded unless it is invalid.
 */
export function encodeText(
  out: Uint8Array,
  at: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  let to = at;
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    const kind = KINDS[byte] as number;
    if (kind === PLAIN) {
      out[to++] = byte;
    } else if (kind === MULTIBYTE) {
      const length = sequenceLength(bytes, i, end);
      if (length === 0) return encodeBroken(out, at, bytes, start, end);
      out[to++] = byte;
      for (const last = i + length - 1; i < last;) out[to++] = bytes[++i] as number;
    } else {
      to = encodeSpecial(out, to, byte, kind);
    }
  }
  return to;
}

function encodeSpecial(out: Uint8Array, at: number, byte: number, kind: number): number {
  let to = at;
  if (kind === NUL) {
    out[to++] = 0xef;
    out[to++] = 0xbf;
    out[to++] = 0xbd;
    return to;
  }
  out[to++] = BACKSLASH;
  if (kind === SHORT_ESCAPE) {
    out[to++] = SHORT[byte] as number;
    return to;
  }
  out[to++] = 0x75;
  out[to++] = 0x30;
  out[to++] = 0x30;
  out[to++] = HEX[byte >> 4] as number;
  out[to++] = HEX[byte & 15] as number;
  return to;
}

/** Returns the length of the well-formed UTF-8 sequence at `at`; 0 if it is invalid. */
function sequenceLength(bytes: Uint8Array, at: number, end: number): number {
  const first = bytes[at] as number;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + length > end) return 0;
  const second = bytes[at + 1] as number;
  // The second byte reveals overlong forms, surrogates and values above U+10FFFF.
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (second < low || second > high) return 0;
  for (let i = 2; i < length; i++) if (((bytes[at + i] as number) & 0xc0) !== 0x80) return 0;
  return length;
}

function encodeBroken(out: Uint8Array, at: number, bytes: Uint8Array, start: number, end: number): number {
  const text = decoder.decode(bytes.subarray(start, end)).replaceAll("\0", "\ufffd");
  const mended = encoder.encode(text);
  return encodeText(out, at, mended, 0, mended.length);
}

function kinds(): Uint8Array {
  const table = new Uint8Array(256);
  table.fill(CONTROL, 0, 0x20);
  table.fill(MULTIBYTE, 0x80);
  table[0] = NUL;
  for (const byte of [0x09, 0x22, 0x5c]) table[byte] = SHORT_ESCAPE;
  return table;
}
