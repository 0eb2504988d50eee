import { Buffer } from "node:buffer";
import type { Form } from "./forms.ts";
import { type DigitColumn, digitColumn, isHexDigit } from "./hex-dump.ts";

/** Ranges of bytes, as start, end, start, end …: ordered and not overlapping. */
export type Spans = readonly number[];

/** A form that began at the end of the previous line. */
export interface OpenForm {
  readonly form: Form;
  /** How many of its bytes have matched. */
  readonly matched: number;
}

/** The matches in a line. */
export interface Found {
  readonly spans: Spans;
  /** Forms that may continue on the next line. */
  readonly open: readonly OpenForm[];
}

/** The most bytes of a form that are compared first; more would not be faster. */
const WINDOW = 8;
/**
 * The shortest start of a form at the end of a line that is masked; anything shorter is too likely to be
 * chance.
 */
const SURE = 8;
/** A line that ends in this many digits of an encoding may have been wrapped there. */
const BROKEN_LINE = 20;
const BLOCK = 3;
const HASH_BITS = 16;
const HASH_SHIFT = 32 - HASH_BITS;
const FACTOR = 0x9e3779b1;
const SPACE = 0x20;
/** Positions of digits at the start of a dump's line: with offsets, and without. */
const OFFSET = [0, 1, 2, 3, 4, 5];
const PAIRS = [0, 1, 3, 4, 6, 7];
/** Digits of base64 in both alphabets, of base32 and of hex. */
const IS_DIGIT = new Uint8Array(256);
for (const digit of Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")) {
  IS_DIGIT[digit] = 1;
}
const NONE: Found = { spans: [], open: [] };

/**
 * Finds any of several forms in a line. The last three bytes of a window tell how far it can skip ahead
 * (Wu-Manber algorithm), so many forms cost about as much as one, and longer forms make it faster.
 */
export class Finder {
  readonly #window: number;
  readonly #shifts = new Uint8Array(1 << HASH_BITS);
  /** Forms by the last three bytes of their window. */
  readonly #byBlock = new Map<number, Form[]>();
  /** Forms that may continue on the next line, by each of their starts that is shorter than a window. */
  readonly #byBeginning = new Map<string, Form[]>();

  constructor(forms: readonly Form[]) {
    const windows = forms.flatMap((form) => beginnings(form).map((bytes) => ({ form, bytes })));
    this.#window = Math.min(WINDOW, ...windows.map(({ bytes }) => bytes.length));
    this.#shifts.fill(this.#window - BLOCK + 1);
    for (const { form, bytes } of windows) this.#add(form, bytes);
    for (const form of forms) {
      if (form.kind === "literal") continue;
      for (let length = 1; length < this.#window; length++) {
        const key = Buffer.from(form.bytes.subarray(0, length)).toString("latin1");
        this.#byBeginning.set(key, [...this.#byBeginning.get(key) ?? [], form]);
      }
    }
  }

  #add(form: Form, bytes: Uint8Array): void {
    for (let at = 0; at + BLOCK <= this.#window; at++) {
      const key = block(bytes, at);
      const shift = this.#window - BLOCK - at;
      const slot = hash(key);
      this.#shifts[slot] = Math.min(this.#shifts[slot] as number, shift);
      if (shift === 0) this.#byBlock.set(key, [...new Set([...this.#byBlock.get(key) ?? [], form])]);
    }
  }

  /** Searches `bytes[start, end)`; `open` are the forms that may have begun on the line before. */
  find(bytes: Uint8Array, start: number, end: number, open: readonly OpenForm[] = NONE.open): Found {
    let line = open.length > 0 ? new Line(bytes, start, end) : undefined;
    for (const { form, matched } of open) line?.goOn(form, matched);
    for (let at = this.next(bytes, start, end); at < end; at = this.next(bytes, at + 1, end)) {
      line ??= new Line(bytes, start, end);
      for (const form of this.#byBlock.get(block(bytes, at + this.#window - BLOCK)) ?? []) {
        line.tryAt(at, form);
      }
    }
    return this.#ended(bytes, start, end, line);
  }

  /** As `find`, for a line in which no form can start (see `next`) and without open forms. */
  findBroken(bytes: Uint8Array, start: number, end: number): Found {
    return this.#ended(bytes, start, end, undefined);
  }

  #ended(bytes: Uint8Array, start: number, end: number, seen: Line | undefined): Found {
    let line = seen;
    if (this.#byBeginning.size > 0 && isLikelyBroken(bytes, start, end)) {
      line ??= new Line(bytes, start, end);
      for (const [form, matched] of this.#cutOff(line)) line.open.push({ form, matched });
    }
    return line ? { spans: inOrder(line.spans), open: line.open } : NONE;
  }

  /** Returns the next possible start of a form in `bytes[from, end)`; `end` if there is none. */
  next(bytes: Uint8Array, from: number, end: number): number {
    const shifts = this.#shifts;
    const before = this.#window - BLOCK;
    for (let i = from + before; i + BLOCK <= end;) {
      const key = ((bytes[i] as number) << 16) | ((bytes[i + 1] as number) << 8) | (bytes[i + 2] as number);
      const shift = shifts[Math.imul(key, FACTOR) >>> HASH_SHIFT] as number;
      if (shift === 0) return i - before;
      i += shift;
    }
    return end;
  }

  /** Yields the forms that begin at the end of a line, with less than a window there. */
  *#cutOff(line: Line): Iterable<[Form, number]> {
    const tail = line.tail(this.#window - 1);
    for (let length = 1; length <= tail.length; length++) {
      for (const form of this.#byBeginning.get(tail.slice(-length)) ?? []) yield [form, length];
    }
  }
}

/** The state of searching one line. */
class Line {
  readonly spans: number[] = [];
  readonly open: OpenForm[] = [];
  readonly #bytes: Uint8Array;
  readonly #start: number;
  readonly #end: number;
  #column: DigitColumn | undefined;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
  }

  /** Matches a form at `at`, also one that is cut off by the end of the line. */
  tryAt(at: number, form: Form): void {
    if (form.kind !== "literal") return this.#follow(at, form, 0);
    const { bytes } = form;
    if (at + bytes.length > this.#end) return;
    for (let i = 0; i < bytes.length; i++) if (this.#bytes[at + i] !== bytes[i]) return;
    this.spans.push(at, at + bytes.length);
  }

  /** Matches the rest of a form that began on the line before. */
  goOn(form: Form, matched: number): void {
    let at = form.kind === "hex" ? this.#digits.start : this.#start;
    while (at < this.#end && this.#bytes[at] === SPACE) at++;
    if (at < this.#end) this.#follow(at, form, matched);
  }

  /** Returns the last digits of an encoding in this line, at most `count`. */
  tail(count: number): string {
    let text = "";
    const { start, end } = this.#digits;
    for (let i = end - 1; i >= start && text.length < count; i--) {
      const byte = this.#bytes[i] as number;
      if (byte !== SPACE) text = String.fromCharCode(byte) + text;
    }
    return text;
  }

  get #digits(): DigitColumn {
    return this.#column ??= digitColumn(this.#bytes, this.#start, this.#end);
  }

  #follow(at: number, { bytes: wanted, kind }: Form, matched: number): void {
    const end = kind === "hex" ? this.#digits.end : this.#end;
    let seen = matched;
    let to = at;
    for (let i = at; i < end && seen < wanted.length; i++) {
      const byte = this.#bytes[i] as number;
      if (byte === wanted[seen]) {
        seen++;
        to = i + 1;
      } else if (!isSeparator(byte, kind)) return;
    }
    const isWhole = seen === wanted.length;
    if (!isWhole) this.open.push({ form: { bytes: wanted, kind }, matched: seen });
    if (!isWhole && seen < SURE) return;
    this.spans.push(at, to);
    if (kind === "hex" && this.#digits.end < this.#end) this.spans.push(this.#digits.end, this.#end);
  }
}

/** Returns the first bytes of a form; for hex, also with the separators of common dumps. */
function beginnings({ bytes, kind }: Form): Uint8Array[] {
  if (kind !== "hex") return [bytes.subarray(0, WINDOW)];
  const pairs = Buffer.from(bytes.subarray(0, 2 * WINDOW)).toString("latin1").match(/../g) ?? [];
  const [first = "", second = "", ...rest] = pairs;
  const grouped = (from: number) =>
    pairs.map((pair, i) => (i + from) % 2 === 0 && i > 0 ? ` ${pair}` : pair).join("");
  const forms = [
    pairs.join(""),
    pairs.join(" "),
    pairs.join(":"),
    // `hexdump -C` has two spaces in the middle of a line.
    `${first}  ${[second, ...rest].join(" ")}`,
    `${first} ${second}  ${rest.join(" ")}`,
    grouped(0),
    grouped(1),
  ];
  return [...new Set(forms.map((form) => form.slice(0, WINDOW)))].map((form) => Buffer.from(form));
}

/** Returns true if the line may end within an encoded text or a dump. */
function isLikelyBroken(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < BROKEN_LINE) return false;
  let i = end - 1;
  while (i >= end - BROKEN_LINE && IS_DIGIT[bytes[i] as number] === 1) i--;
  if (i < end - BROKEN_LINE) return true;
  let at = start;
  while (at < end && bytes[at] === SPACE) at++;
  if (!isHexDigit(bytes[at] as number)) return false;
  const digits = bytes[at + 2] === SPACE ? PAIRS : OFFSET;
  return at + digits.length <= end && digits.every((offset) => isHexDigit(bytes[at + offset] as number));
}

function isSeparator(byte: number, kind: Form["kind"]): boolean {
  return byte === SPACE || byte === 0x0a || byte === 0x0d || byte === 0x09 ||
    (kind === "hex" && byte === 0x3a);
}

/** Sorts spans and merges those that touch. */
export function inOrder(spans: readonly number[]): Spans {
  if (spans.length <= 2) return spans;
  const pairs = Array.from(
    { length: spans.length / 2 },
    (_, i) => [spans[2 * i], spans[2 * i + 1]] as number[],
  );
  pairs.sort(([a = 0], [b = 0]) => a - b);
  const merged: number[] = [];
  for (const [from = 0, to = 0] of pairs) {
    const last = merged.length - 1;
    if (last > 0 && from <= (merged[last] as number)) merged[last] = Math.max(merged[last] as number, to);
    else merged.push(from, to);
  }
  return merged;
}

function block(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
}

function hash(key: number): number {
  return Math.imul(key, FACTOR) >>> HASH_SHIFT;
}
