/** Bytes with the position in the original of each. */
export interface Canonical {
  bytes: Uint8Array;
  length: number;
  /** Start and end of each byte's original. */
  from: Uint32Array;
  to: Uint32Array;
}

const ESC = 0x1b;
const BACKSPACE = 0x08;
const SPACE = 0x20;
const DOUBLE_QUOTE = 0x22;
const SINGLE_QUOTE = 0x27;
const PERCENT = 0x25;
const AMPERSAND = 0x26;
const PLUS = 0x2b;
const SEMICOLON = 0x3b;
const BACKSLASH = 0x5c;
const LOWER_U = 0x75;
const LOWER_X = 0x78;
const UPPER_U = 0x55;
const BELL = 0x07;

/**
 * What a letter after a backslash stands for. Control characters that are white space to a reader become
 * spaces.
 */
const ESCAPED: Readonly<Record<number, number>> = {
  0x6e: SPACE, // n
  0x74: SPACE, // t
  0x72: SPACE, // r
  0x66: SPACE, // f
  0x76: SPACE, // v
  0x62: BACKSPACE, // b
};
const ENTITIES: Readonly<Record<string, number>> = {
  amp: AMPERSAND,
  lt: 0x3c,
  gt: 0x3e,
  quot: 0x22,
  apos: 0x27,
};
const LONGEST_ENTITY = 10;

const HEX_VALUES = hexValues();
/** How a byte is handled by `canonical`. */
const PLAIN = 0;
const DIGIT = 1;
const SPECIAL = 2;
const KINDS = kinds();
const MAY_ESCAPE = new Uint8Array(256);
const encoder = new TextEncoder();

/** Makes an empty buffer, which can be reused. */
export function newCanonical(): Canonical {
  return { bytes: new Uint8Array(0), length: 0, from: new Uint32Array(0), to: new Uint32Array(0) };
}

/**
 * Writes the canonical form of a text into `out`: terminal sequences are removed; escapes of C, JSON, shells,
 * URLs and XML are undone, even if applied several times; quotes and single backslashes are removed; white
 * space and `+` become spaces. A text and its quoted forms have the same canonical form. Takes linear time.
 */
export function canonical(bytes: Uint8Array, start: number, end: number, out: Canonical): void {
  if (out.bytes.length < end - start) {
    const size = end - start;
    Object.assign(out, {
      bytes: new Uint8Array(size),
      from: new Uint32Array(size),
      to: new Uint32Array(size),
    });
  }
  const { bytes: text, from: froms, to: ends } = out;
  let length = 0;
  // An escape that the next digits complete may have begun up to here.
  let mark = -LONGEST_ENTITY;
  let isEscaped = false;
  for (let i = start; i < end;) {
    const byte = bytes[i] as number;
    const kind = KINDS[byte] as number;
    if (!isEscaped && (kind === PLAIN || (kind === DIGIT && length - mark > LONGEST_ENTITY))) {
      text[length] = byte;
      froms[length] = i;
      ends[length++] = ++i;
      continue;
    }
    const next = byte === ESC ? afterSequence(bytes, i, end) : i + 1;
    out.length = length;
    if (byte !== ESC) push(out, byte, i, next);
    mark = length = out.length;
    isEscaped = length > 0 && text[length - 1] === BACKSLASH;
    i = next;
  }
  out.length = length;
}

/** Removes the spaces: in an encoded text they come from line ends or `+`. */
export function squeeze(line: Canonical): void {
  let to = 0;
  for (let i = 0; i < line.length; i++) {
    if (line.bytes[i] === SPACE) continue;
    line.bytes[to] = line.bytes[i] as number;
    line.from[to] = line.from[i] as number;
    line.to[to++] = line.to[i] as number;
  }
  line.length = to;
}

/**
 * Returns true if the canonical form of `bytes[start, end)` may differ from it by more than quotes, white
 * space and `+`.
 */
export function hasEscapes(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    if (MAY_ESCAPE[bytes[i] as number] === 1 && isEscape(bytes, i, end)) return true;
  }
  return false;
}

function isEscape(bytes: Uint8Array, at: number, end: number): boolean {
  if (bytes[at] === PERCENT) {
    return at + 2 < end && isHex(bytes[at + 1] as number) && isHex(bytes[at + 2] as number);
  }
  return bytes[at] !== AMPERSAND || (at + 3 < end && isEntityStart(bytes[at + 1] as number));
}

/** Every text for which `hasEscapes` is true contains one of these bytes. */
export const ESCAPE_BYTES: readonly number[] = [ESC, BACKSPACE, BACKSLASH, PERCENT, AMPERSAND];
for (const byte of ESCAPE_BYTES) MAY_ESCAPE[byte] = 1;

/** Returns the end of the terminal sequence at `at`: CSI, OSC and similar, or ESC and one character. */
function afterSequence(bytes: Uint8Array, at: number, end: number): number {
  let i = at + 2;
  const kind = bytes[at + 1];
  if (kind === 0x5b) {
    while (i < end && ((bytes[i] as number) < 0x40 || (bytes[i] as number) > 0x7e)) i++;
    return Math.min(i + 1, end);
  }
  if (kind === 0x5d || kind === 0x50 || kind === 0x5e || kind === 0x5f) {
    while (i < end && bytes[i] !== BELL && bytes[i] !== ESC) i++;
    return Math.min(bytes[i] === ESC ? i + 2 : i + 1, end);
  }
  while (i <= end && (bytes[i - 1] as number) >= 0x20 && (bytes[i - 1] as number) <= 0x2f) i++;
  return Math.min(i, end);
}

/** Adds a byte and undoes every escape that it completes; the result may complete another one. */
function push(out: Canonical, byte: number, from: number, to: number): void {
  const isEscaped = out.length > 0 && out.bytes[out.length - 1] === BACKSLASH;
  const start = isEscaped ? out.from[out.length - 1] as number : from;
  if (byte === BACKSPACE) {
    if (isEscaped) out.length--;
    if (out.length > 0) out.length--;
    return;
  }
  if (byte === DOUBLE_QUOTE || byte === SINGLE_QUOTE) {
    if (isEscaped) out.length--;
    return;
  }
  if (byte === PLUS || byte === 0x09 || byte === 0x0a || byte === 0x0d) byte = SPACE;
  if (byte < 0x20) return;
  if (!isEscaped) {
    append(out, byte, from, to);
    if (byte === SEMICOLON) undoEntity(out);
    else if (isHex(byte)) undoCode(out);
    return;
  }
  if (byte === BACKSLASH) return;
  const control = ESCAPED[byte];
  if (control !== undefined) {
    out.length--;
    return push(out, control, start, to);
  }
  if (byte === LOWER_U || byte === UPPER_U || byte === LOWER_X || isOctal(byte)) {
    return append(out, byte, from, to);
  }
  out.length--;
  push(out, byte, start, to);
}

function append(out: Canonical, byte: number, from: number, to: number): void {
  out.bytes[out.length] = byte;
  out.from[out.length] = from;
  out.to[out.length] = to;
  out.length++;
}

/** Undoes `%41`, `\x41`, `\101`, `\u0041` or `\U00000041`, whose last digit has just been added. */
function undoCode(out: Canonical): void {
  const { bytes, length } = out;
  if (bytes[length - 3] === PERCENT && isHex(bytes[length - 2] as number)) return replaceByte(out, 3, 2, 16);
  if (bytes[length - 4] === BACKSLASH) {
    const first = bytes[length - 3] as number;
    if (first === LOWER_X && isHex(bytes[length - 2] as number)) return replaceByte(out, 4, 2, 16);
    const isWhole = isOctal(first) && isOctal(bytes[length - 2] as number) &&
      isOctal(bytes[length - 1] as number);
    if (isWhole) return replaceByte(out, 4, 3, 8);
  }
  for (const [letter, digits] of [[LOWER_U, 4], [UPPER_U, 8]] as const) {
    const at = length - digits - 2;
    if (at < 0 || bytes[at] !== BACKSLASH || bytes[at + 1] !== letter) continue;
    const code = numberAt(out, digits, 16);
    if (code !== undefined && code <= 0x10ffff) return replaceCode(out, at, code);
  }
}

/** Undoes `&lt;`, `&#60;` or `&#x3c;`, whose semicolon has just been added. */
function undoEntity(out: Canonical): void {
  const { bytes, length } = out;
  let at = length - 2;
  while (at >= 0 && at >= length - LONGEST_ENTITY && bytes[at] !== AMPERSAND) at--;
  if (at < 0 || bytes[at] !== AMPERSAND) return;
  const name = String.fromCharCode(...bytes.subarray(at + 1, length - 1));
  const number = /^#(?:x([0-9a-f]{1,6})|(\d{1,7}))$/i.exec(name);
  const code = number ? Number.parseInt(number[1] ?? number[2] ?? "", number[1] ? 16 : 10) : ENTITIES[name];
  if (code !== undefined && code <= 0x10ffff) replaceCode(out, at, code);
}

function replaceByte(out: Canonical, size: number, digits: number, base: number): void {
  const value = numberAt(out, digits, base);
  if (value === undefined || value > 0xff) return;
  const [from, to] = [out.from[out.length - size] as number, out.to[out.length - 1] as number];
  out.length -= size;
  push(out, value, from, to);
}

function replaceCode(out: Canonical, at: number, code: number): void {
  const [from, to] = [out.from[at] as number, out.to[out.length - 1] as number];
  out.length = at;
  if (code < 0x80) return push(out, code, from, to);
  for (const byte of utf8(out, code)) append(out, byte, from, to);
}

/**
 * Encodes a code point in UTF-8. Half of a surrogate pair is kept as three bytes until the other half
 * follows.
 */
function utf8(out: Canonical, code: number): Iterable<number> {
  if (code < 0xd800 || code > 0xdfff) return encoder.encode(String.fromCodePoint(code));
  const { bytes, length } = out;
  if (code >= 0xdc00 && length >= 3 && bytes[length - 3] === 0xed && (bytes[length - 2] as number) < 0xb0) {
    const high = 0xd000 | (((bytes[length - 2] as number) & 0x3f) << 6) |
      ((bytes[length - 1] as number) & 0x3f);
    if (high >= 0xd800) {
      out.length -= 3;
      return encoder.encode(String.fromCodePoint(0x10000 + ((high - 0xd800) << 10) + (code - 0xdc00)));
    }
  }
  return [0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f)];
}

/** Returns the number formed by the last digits; undefined if one of them is not a digit. */
function numberAt({ bytes, length }: Canonical, digits: number, base: number): number | undefined {
  let value = 0;
  for (let i = length - digits; i < length; i++) {
    const digit = HEX_VALUES[bytes[i] as number] as number;
    if (digit >= base) return undefined;
    value = value * base + digit;
  }
  return value;
}

function isHex(byte: number): boolean {
  return (HEX_VALUES[byte] as number) < 16;
}

function isOctal(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x37;
}

function isEntityStart(byte: number): boolean {
  return byte === 0x23 || (byte >= 0x61 && byte <= 0x7a);
}

function hexValues(): Uint8Array {
  const values = new Uint8Array(256).fill(255);
  for (const [i, digit] of [..."0123456789abcdef"].entries()) {
    values[digit.charCodeAt(0)] = i;
    values[digit.toUpperCase().charCodeAt(0)] = i;
  }
  return values;
}

function kinds(): Uint8Array {
  const table = new Uint8Array(256).fill(SPECIAL, 0, 0x20);
  for (let byte = 0; byte < 256; byte++) if (isHex(byte)) table[byte] = DIGIT;
  for (const byte of [DOUBLE_QUOTE, SINGLE_QUOTE, PERCENT, PLUS, SEMICOLON, BACKSLASH]) table[byte] = SPECIAL;
  return table;
}
