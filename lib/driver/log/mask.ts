import { Buffer } from "node:buffer";
import { formsOf, SHORTEST_SECRET } from "./forms.ts";

/** Places in some bytes: begin and end of the first, begin and end of the second … in order and apart. */
export type Spans = readonly number[];

/** Finds secrets, in every form in which they may leave this process, and takes them out. */
export interface Mask {
  /** Bytes of the longest form; 0 where there is nothing to hide. */
  readonly longest: number;
  /** Names of the secrets that are too short to be hidden: they would take half of the log with them. */
  readonly tooShort: readonly string[];
  /** The places within `bytes[start, end)` that are secret; the first `covered` bytes are, whatever they hold. */
  find(bytes: Uint8Array, start: number, end: number, covered?: number): Spans;
  text(text: string): string;
  /** A copy of a JSON value in which every string, key and number is masked. */
  value(value: unknown): unknown;
}

const NOTHING: Spans = [];
const STARS = "***";
const STAR_BYTES = new TextEncoder().encode(STARS);
const GATE_BITS = 16;

/** A mask for secrets by name; does nothing, and costs nothing, without any. */
export function maskOf(secrets: Readonly<Record<string, string>>): Mask {
  const texts = new Set(Object.values(secrets).flatMap((secret) => [...formsOf(secret)]));
  const find = texts.size === 0 ? findNothing : finder([...texts].map((text) => Buffer.from(text)));
  const text = (original: string): string => {
    if (texts.size === 0 || original.length < SHORTEST_SECRET) return original;
    const bytes = Buffer.from(original);
    const spans = find(bytes, 0, bytes.length);
    return spans.length === 0 ? original : Buffer.from(redact(bytes, 0, bytes.length, spans)).toString();
  };
  const value = (original: unknown): unknown => {
    if (typeof original === "string") return text(original);
    if (typeof original === "number") return texts.has(String(original)) ? STARS : original;
    if (Array.isArray(original)) return original.map(value);
    if (typeof original !== "object" || original === null) return original;
    return Object.fromEntries(Object.entries(original).map(([key, inner]) => [text(key), value(inner)]));
  };
  return {
    longest: Math.max(0, ...[...texts].map((form) => Buffer.byteLength(form))),
    tooShort: Object.keys(secrets).filter((name) => isTooShort(secrets[name] ?? "")),
    find,
    text,
    value: texts.size === 0 ? (original) => original : value,
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

function findNothing(): Spans {
  return NOTHING;
}

/**
 * Looks at every three bytes once: a small table says whether any form begins like that, which is almost never the case,
 * and costs the same for one secret and for a hundred.
 */
function finder(forms: Uint8Array[]): Mask["find"] {
  const gate = new Uint8Array(1 << GATE_BITS);
  const byStart = new Map<number, Uint8Array[]>();
  for (const form of forms.toSorted((a, b) => b.length - a.length)) {
    const key = ((form[0] as number) << 16) | ((form[1] as number) << 8) | (form[2] as number);
    gate[hash(key)] = 1;
    byStart.set(key, [...byStart.get(key) ?? [], form]);
  }
  return (bytes, start, end, covered = 0) => {
    let spans: number[] | undefined = covered > 0 ? [start, start + covered] : undefined;
    let key = ((bytes[start] as number) << 8) | (bytes[start + 1] as number);
    for (let i = start + 2; i < end; i++) {
      key = ((key << 8) | (bytes[i] as number)) & 0xffffff;
      if (gate[hash(key)] === 0) continue;
      const from = i - 2;
      const form = byStart.get(key)?.find((form) => isAt(bytes, from, end, form));
      if (form) spans = extended(spans, from, from + form.length);
    }
    return spans ?? NOTHING;
  };
}

function hash(key: number): number {
  return Math.imul(key, 0x9e3779b1) >>> (32 - GATE_BITS);
}

function isAt(bytes: Uint8Array, at: number, end: number, form: Uint8Array): boolean {
  if (at + form.length > end) return false;
  for (let i = 3; i < form.length; i++) if (bytes[at + i] !== form[i]) return false;
  return true;
}

/** The spans with one more, which begins no earlier than the last; what touches is one. */
function extended(spans: number[] | undefined, from: number, to: number): number[] {
  if (!spans) return [from, to];
  const last = spans.length - 1;
  if (from > (spans[last] as number)) spans.push(from, to);
  else spans[last] = Math.max(spans[last] as number, to);
  return spans;
}
