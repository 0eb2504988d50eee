import { parseJson } from "../../../base/json.ts";
import { Buffer } from "node:buffer";

/** One way in which a secret, or a part of it, may be written. */
export interface Form {
  readonly bytes: Uint8Array;
  /**
   * `literal`: just these bytes. `wrapped`: white space may stand within, and it may go on in the next lines. `hex`: as
   * wrapped, and there may be separators, and the columns of a dump beside it.
   */
  readonly kind: "literal" | "wrapped" | "hex";
}

/** The shortest text that is masked, in bytes: anything shorter stands in too many innocent places. */
export const SHORTEST_SECRET = 3;
/** Strings within a JSON secret are secrets of their own from this size on, in bytes. */
const SHORTEST_PART = 8;
/** Shorter encoded forms stand in too many innocent places. */
const SHORTEST_ENCODED = 6;
/** Encoders of 3 and of 5 bytes at a time: how a text looks depends on how many bytes stand before it. */
const BASE64 = { bytes: 3, bits: 6 };
const BASE32 = { bytes: 5, bits: 5 };
const BASE32_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** Every form of a secret that is looked for. Quoting and escapes are undone in the text instead: see `canonical`. */
export function formsOf(secret: string): Form[] {
  const whole = [secret, secret.trim(), ...jsonStrings(secret)];
  const literal = new Set(whole.flatMap((text) => [text, ...linesOf(text), ...writtenLinesOf(text)]));
  const wrapped = new Set(whole.flatMap((text) => [...base64(text), ...base32(text)]));
  const hex = new Set(whole.flatMap(hexOf));
  return [
    ...formsIn(literal, "literal", SHORTEST_SECRET),
    ...formsIn(wrapped, "wrapped", SHORTEST_ENCODED),
    ...formsIn(hex, "hex", SHORTEST_ENCODED),
  ];
}

function formsIn(texts: ReadonlySet<string>, kind: Form["kind"], least: number): Form[] {
  return [...texts].map((text) => ({ bytes: Buffer.from(text), kind })).filter(({ bytes }) =>
    bytes.length >= least
  );
}

function linesOf(text: string): string[] {
  return text.split(/[\r\n]+/).map((line) => line.trim());
}

/** The lines of a text in which `\\n` is written out, which some shells' `echo` turns into line ends. */
function writtenLinesOf(text: string): string[] {
  if (!/\\[nr]/.test(text)) return [];
  return linesOf(text.replace(/\\[nr]/g, "\n")).filter((line) => Buffer.byteLength(line) >= SHORTEST_PART);
}

/** Every string of some length within a secret that is JSON, like the private key of a service account. */
function jsonStrings(secret: string): string[] {
  const strings: string[] = [];
  const visit = (value: unknown): void => {
    if (typeof value === "string" && Buffer.byteLength(value) >= SHORTEST_PART) strings.push(value);
    if (typeof value === "object" && value !== null) Object.values(value).forEach(visit);
  };
  try {
    visit(/^\s*[[{]/.test(secret) ? parseJson(secret) : undefined);
  } catch {
    return []; // It only begins like JSON, or is too deep for anybody to have written it.
  }
  return strings;
}

function base64(text: string): string[] {
  return shifted(text, BASE64, (bytes) => bytes.toString("base64"))
    .flatMap((form) => [form, form.replaceAll("+", "-").replaceAll("/", "_")]);
}

function base32(text: string): string[] {
  return shifted(text, BASE32, encodeBase32);
}

/**
 * What a text looks like within an encoding of something longer. Digits in which its neighbours have a part are left out;
 * as the end of the whole it has its last digit and its padding.
 */
function shifted(
  text: string,
  { bytes: group, bits }: { bytes: number; bits: number },
  encode: (bytes: Buffer) => string,
): string[] {
  const forms: string[] = [];
  for (let before = 0; before < group; before++) {
    const whole = Buffer.concat([Buffer.alloc(before), Buffer.from(text)]);
    const encoded = encode(whole);
    const first = Math.ceil(before * 8 / bits);
    forms.push(encoded.slice(first, Math.floor(whole.length * 8 / bits)), encoded.slice(first));
  }
  return forms;
}

function encodeBase32(bytes: Buffer): string {
  let digits = "";
  for (let bit = 0; bit < bytes.length * 8; bit += 5) {
    const [high = 0, low = 0] = bytes.subarray(bit >> 3, (bit >> 3) + 2);
    digits += BASE32_DIGITS[(((high << 8) | low) >> (11 - (bit & 7))) & 31];
  }
  return digits.padEnd(Math.ceil(digits.length / 8) * 8, "=");
}

function hexOf(text: string): string[] {
  const lower = Buffer.from(text).toString("hex");
  return [lower, lower.toUpperCase()];
}
