import { Buffer } from "node:buffer";
import { type Canonical, canonical, ESCAPE_BYTES, hasEscapes, newCanonical, squeeze } from "./canonical.ts";
import { Finder, inOrder, type OpenForm, type Spans } from "./finder.ts";
import { type Form, formsOf, SHORTEST_SECRET } from "./forms.ts";
import { maskTexts } from "./machine-text.ts";

export type { Spans } from "./finder.ts";

/** Finds and removes secrets, in every form in which they may leave this process. */
export interface Mask {
  /** The most bytes needed to recognise a secret; 0 if there are no secrets. */
  readonly longest: number;
  /** Names of secrets that are too short to be masked: they would mask half of the log. */
  readonly tooShort: readonly string[];
  /** Returns a scanner for the lines of one stream. */
  scanner(): Scanner;
  /** Returns the text without its secrets. */
  text(text: string): string;
  /**
   * Returns a copy of a JSON value with masked texts. Numbers, ids, fixed keys and words of closed sets are
   * unchanged: a short secret that occurs in them must not destroy them.
   */
  value(value: unknown): unknown;
}

export interface Scanner {
  /**
   * Finds the secrets within `bytes[start, end)`. `covered`: this many of its first bytes are secret in any
   * case. `goesOn`: the line continues after `end`.
   */
  find(
    bytes: Uint8Array,
    start: number,
    end: number,
    options?: { covered?: number; goesOn?: boolean },
  ): Spans;
  /** Starts a chunk. Its lines must be scanned in order. */
  enter(chunk: Uint8Array): void;
  /** As `find`, for the next whole line within the current chunk. */
  findInChunk(chunk: Uint8Array, start: number, end: number): Spans;
}

const NOTHING: Spans = [];
const QUOTES = [0x22, 0x27];
const PLUS = 0x2b;
const TAB = 0x09;
const STARS = "***";
const STAR_BYTES = new TextEncoder().encode(STARS);
/** The most bytes that an escape makes of one byte. */
const LONGEST_ESCAPE = 10;
const MOST_AHEAD = 64 * 1024;
const NO_SCANNER: Scanner = { find: () => NOTHING, enter() {}, findInChunk: () => NOTHING };

/** Makes a mask for secrets by name; without secrets it does nothing. */
export function maskOf(secrets: Readonly<Record<string, string>>): Mask {
  const forms = Object.values(secrets).flatMap(formsOf);
  const tooShort = Object.keys(secrets).filter((name) => isTooShort(secrets[name] ?? ""));
  if (forms.length === 0) {
    return { longest: 0, tooShort, scanner: () => NO_SCANNER, text: (text) => text, value: (value) => value };
  }
  const finders = findersOf(forms);
  const scanner = () => new SecretScanner(finders);
  const text = (original: string): string => {
    if (original.length < SHORTEST_SECRET) return original;
    const bytes = Buffer.from(original);
    const spans = scanner().find(bytes, 0, bytes.length);
    return spans.length === 0 ? original : Buffer.from(redact(bytes, 0, bytes.length, spans)).toString();
  };
  const longest = Math.max(...forms.map(({ bytes }) => bytes.length));
  return {
    longest: Math.min(longest * LONGEST_ESCAPE, Math.max(longest, MOST_AHEAD)),
    tooShort,
    scanner,
    text,
    value: (value) => maskTexts(value, text),
  };
}

/** Returns `bytes[start, end)` with `***` for every span; spans may extend beyond the range. */
export function redact(bytes: Uint8Array, start: number, end: number, spans: Spans): Uint8Array {
  const parts: Uint8Array[] = [];
  let at = start;
  for (let i = 0; i < spans.length && (spans[i] as number) < end; i += 2) {
    parts.push(bytes.subarray(at, spans[i]), STAR_BYTES);
    at = Math.min(spans[i + 1] as number, end);
  }
  parts.push(bytes.subarray(at, end));
  return Buffer.concat(parts);
}

function isTooShort(secret: string): boolean {
  const length = Buffer.byteLength(secret.trim());
  return length > 0 && length < SHORTEST_SECRET;
}

/** Finders for a line as it is, for its canonical form, and for that form without spaces. */
interface Finders {
  readonly plain: Finder;
  readonly canonical: Finder | undefined;
  readonly squeezed: Finder | undefined;
  /** Whether any secret contains quotes, or white space. */
  readonly hasQuotes: boolean;
  readonly hasSpaces: boolean;
  /** A line without any of these bytes contains no quoted text. */
  readonly triggers: readonly number[];
}

function findersOf(forms: readonly Form[]): Finders {
  const quoted = forms.map(canonicalForm).filter(({ bytes }) => bytes.length >= SHORTEST_SECRET);
  const finderOf = (some: readonly Form[]) => some.length > 0 ? new Finder(some) : undefined;
  const isIn = (signs: RegExp) =>
    forms.some(({ bytes, kind }) => kind === "literal" && signs.test(Buffer.from(bytes).toString()));
  const [hasQuotes, hasSpaces] = [isIn(/['"]/), isIn(/\s/)];
  return {
    plain: new Finder(forms),
    canonical: finderOf(quoted.filter(({ kind }) => kind === "literal")),
    squeezed: finderOf(quoted.filter(({ kind }) => kind !== "literal")),
    hasQuotes,
    hasSpaces,
    triggers: [...ESCAPE_BYTES, ...hasQuotes ? QUOTES : [], ...hasSpaces ? [TAB, PLUS] : []],
  };
}

function canonicalForm({ bytes, kind }: Form): Form {
  const reduced = newCanonical();
  canonical(bytes, 0, bytes.length, reduced);
  if (kind !== "literal") squeeze(reduced);
  return { bytes: reduced.bytes.slice(0, reduced.length), kind };
}

/** Scans lines as they are, and again in canonical form if they may contain quoted text. */
class SecretScanner implements Scanner {
  readonly #finders: Finders;
  readonly #canonical: Canonical = newCanonical();
  #open: readonly OpenForm[] = [];
  /** The next possible start of a form in the current chunk, and the next position of each trigger. */
  #nextForm = 0;
  readonly #nextTriggers: number[] = [];

  constructor(finders: Finders) {
    this.#finders = finders;
  }

  enter(chunk: Uint8Array): void {
    this.#nextForm = this.#finders.plain.next(chunk, 0, chunk.length);
    for (const [i, byte] of this.#finders.triggers.entries()) this.#nextTriggers[i] = indexOf(chunk, byte, 0);
  }

  findInChunk(chunk: Uint8Array, start: number, end: number): Spans {
    const { plain } = this.#finders;
    if (this.#nextForm < start) this.#nextForm = plain.next(chunk, start, chunk.length);
    const { spans, open } = this.#nextForm < end || this.#open.length > 0
      ? plain.find(chunk, start, end, this.#open)
      : plain.findBroken(chunk, start, end);
    this.#open = open;
    if (!this.#hasTrigger(chunk, start, end) || !this.#isQuoted(chunk, start, end)) return spans;
    return inOrder([...spans, ...this.#findQuoted(chunk, start, end)]);
  }

  #hasTrigger(chunk: Uint8Array, start: number, end: number): boolean {
    const { triggers } = this.#finders;
    const next = this.#nextTriggers;
    for (let i = 0; i < triggers.length; i++) {
      if ((next[i] as number) < start) next[i] = indexOf(chunk, triggers[i] as number, start);
      if ((next[i] as number) < end) return true;
    }
    return false;
  }

  find(bytes: Uint8Array, start: number, end: number, { covered = 0, goesOn = false } = {}): Spans {
    const { spans, open } = this.#finders.plain.find(bytes, start, end, this.#open);
    if (!goesOn) this.#open = open;
    const quoted = this.#isQuoted(bytes, start, end) ? this.#findQuoted(bytes, start, end) : NOTHING;
    return inOrder([...covered > 0 ? [start, start + covered] : [], ...spans, ...quoted]);
  }

  #isQuoted(bytes: Uint8Array, start: number, end: number): boolean {
    const { hasQuotes, hasSpaces } = this.#finders;
    return hasEscapes(bytes, start, end) || ((hasQuotes || hasSpaces) && this.#isReplaced(bytes, start, end));
  }

  /**
   * Returns true if two quotes are adjacent (one may escape the other), or if a space within the text may be
   * written as `+` or a tab.
   */
  #isReplaced(bytes: Uint8Array, start: number, end: number): boolean {
    const { hasQuotes, hasSpaces } = this.#finders;
    for (let i = start + 1; i < end; i++) {
      const byte = bytes[i];
      if (hasSpaces && (byte === PLUS || byte === TAB) && (bytes[i - 1] as number) > 0x20) return true;
      if (hasQuotes && isQuote(byte) && isQuote(bytes[i - 1])) return true;
    }
    return false;
  }

  #findQuoted(bytes: Uint8Array, start: number, end: number): Spans {
    const line = this.#canonical;
    canonical(bytes, start, end, line);
    const found = (finder: Finder | undefined) =>
      finder?.find(line.bytes, 0, line.length).spans.map((at, i) =>
        (i % 2 === 0 ? line.from[at] : line.to[at - 1]) as number
      ) ?? [];
    const literal = found(this.#finders.canonical);
    squeeze(line);
    return [...literal, ...found(this.#finders.squeezed)];
  }
}

/** Returns the next position of a byte; the array's length if there is none. */
function indexOf(bytes: Uint8Array, byte: number, from: number): number {
  const at = bytes.indexOf(byte, from);
  return at === -1 ? bytes.length : at;
}

function isQuote(byte: number | undefined): boolean {
  return byte === 0x22 || byte === 0x27;
}
