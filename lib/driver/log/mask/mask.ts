import { Buffer } from "node:buffer";
import { type Canonical, canonical, ESCAPE_BYTES, hasEscapes, newCanonical, squeeze } from "./canonical.ts";
import { Finder, inOrder, type OpenForm, type Spans } from "./finder.ts";
import { type Form, formsOf, SHORTEST_SECRET } from "./forms.ts";
import { maskTexts } from "./machine-text.ts";

export type { Spans } from "./finder.ts";

/** Finds secrets, in every form in which they may leave this process, and takes them out. */
export interface Mask {
  /** As many bytes as may be needed to recognise a secret; 0 where there is nothing to hide. */
  readonly longest: number;
  /** Names of the secrets that are too short to be hidden: they would take half of the log with them. */
  readonly tooShort: readonly string[];
  /** Looks through the lines of one stream, in their order. */
  scanner(): Scanner;
  /** A text without its secrets. */
  text(text: string): string;
  /**
   * A copy of a JSON value whose texts are without their secrets. Numbers, ids, fixed keys and words of closed sets stay as
   * they are: a secret that happens to be a part of them must not destroy them.
   */
  value(value: unknown): unknown;
}

export interface Scanner {
  /**
   * The places within `bytes[start, end)` that are secret. `covered`: so many of its first bytes are, whatever they hold.
   * `goesOn`: it is not the end of its line.
   */
  find(
    bytes: Uint8Array,
    start: number,
    end: number,
    options?: { covered?: number; goesOn?: boolean },
  ): Spans;
  /** Begins with a chunk, whose lines are looked through in their order. */
  enter(chunk: Uint8Array): void;
  /** As `find`, for the next whole line within the chunk that was entered last. */
  findInChunk(chunk: Uint8Array, start: number, end: number): Spans;
}

const NOTHING: Spans = [];
const QUOTES = [0x22, 0x27];
const PLUS = 0x2b;
const TAB = 0x09;
const STARS = "***";
const STAR_BYTES = new TextEncoder().encode(STARS);
/** How many bytes an escape makes of one. */
const LONGEST_ESCAPE = 10;
const MOST_AHEAD = 64 * 1024;
const NO_SCANNER: Scanner = { find: () => NOTHING, enter() {}, findInChunk: () => NOTHING };

/** A mask for secrets by name; does nothing, and costs nothing, without any. */
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

/** `bytes[start, end)` with three stars for every span; spans may reach out of it. */
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

/** What is looked for in a line as it is, in its canonical form, and in that without its spaces. */
interface Finders {
  readonly plain: Finder;
  readonly canonical: Finder | undefined;
  readonly squeezed: Finder | undefined;
  /** Whether any secret has quotes in it, or white space. */
  readonly hasQuotes: boolean;
  readonly hasSpaces: boolean;
  /** Where none of these bytes stand, nothing is quoted. */
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

/** Looks at lines twice where that is needed: as they are, and as their reader understands them. */
class SecretScanner implements Scanner {
  readonly #finders: Finders;
  readonly #canonical: Canonical = newCanonical();
  #open: readonly OpenForm[] = [];
  /** Where the next form may begin in the chunk in hand, and where the next of each trigger stands. */
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

  /** True where a quote is quoted by quotes, or a space within the text by `+` or a tab. */
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

/** Where a byte next stands; behind the end where it does not. */
function indexOf(bytes: Uint8Array, byte: number, from: number): number {
  const at = bytes.indexOf(byte, from);
  return at === -1 ? bytes.length : at;
}

function isQuote(byte: number | undefined): boolean {
  return byte === 0x22 || byte === 0x27;
}
