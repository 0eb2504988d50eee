/** The part of a line that has bytes written as hex digits. */
export interface DigitColumn {
  readonly start: number;
  readonly end: number;
  /** True if the rest of the line shows the same bytes as text. */
  readonly isDump: boolean;
}

const SPACE = 0x20;
const COLON = 0x3a;
const BAR = 0x7c;
const ANGLE = 0x3e;
const OFFSET_DIGITS = { least: 6, most: 16 };

/**
 * Finds the digits in a line of `hexdump -C`, `xxd` or `od -tx1z`, with or without offsets; any other line is
 * returned whole.
 */
export function digitColumn(bytes: Uint8Array, start: number, end: number): DigitColumn {
  let at = start;
  while (at < end && bytes[at] === SPACE) at++;
  const first = at;
  while (at < end && isHexDigit(bytes[at] as number)) at++;
  const digits = at - first;
  if (at >= end || (bytes[at] !== COLON && bytes[at] !== SPACE)) return { start: first, end, isDump: false };
  if (digits === 2) return { start: first, end: textColumn(bytes, at, end, false), isDump: true };
  if (digits < OFFSET_DIGITS.least || digits > OFFSET_DIGITS.most) {
    return { start: first, end, isDump: false };
  }
  const isXxd = bytes[at] === COLON;
  while (at < end && (bytes[at] === COLON || bytes[at] === SPACE)) at++;
  return { start: at, end: textColumn(bytes, at, end, isXxd), isDump: true };
}

/** Returns the start of the text column: after two spaces and, except in xxd, a mark. */
function textColumn(bytes: Uint8Array, start: number, end: number, isXxd: boolean): number {
  for (let i = start; i + 2 < end; i++) {
    if (bytes[i] !== SPACE || bytes[i + 1] !== SPACE) continue;
    if (isXxd || bytes[i + 2] === BAR || bytes[i + 2] === ANGLE) return i;
  }
  return end;
}

export function isHexDigit(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x66) || (byte >= 0x41 && byte <= 0x46);
}
