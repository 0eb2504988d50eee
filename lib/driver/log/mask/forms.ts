import { parseJson } from "../../../base/json.ts";
import { Buffer } from "node:buffer";

/** One way in which a secret, or a part of it, may be written. */
export interface Form {
  readonly bytes: Uint8Array;
  /**
   * `literal`: exactly these bytes. `wrapped`: may contain white space and continue on the next lines. `hex`:
   * as `wrapped`, and may contain separators and the other columns of a hex dump.
   */
  readonly kind: "literal" | "wrapped" | "hex";
}

/** The shortest text that is masked, bytes: shorter texts occur in too many places by chance. */
export const SHORTEST_SECRET = 3;
/** Strings within a JSON secret are secrets too from this size on, bytes. */
const SHORTEST_PART = 8;
/** The shortest encoded form that is masked, bytes: shorter ones occur by chance. */
const SHORTEST_ENCODED = 6;
/** Encodings of 3 and 5 bytes at a time: how a text is encoded depends on the number of bytes before it. */
const BASE64 = { bytes: 3, bits: 6 };
const BASE32 = { bytes: 5, bits: 5 };
const BASE32_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/**
 * Returns every form of a secret that is searched for. Quoting and escapes are undone in the searched text
 * instead: see `canonical`.
 */
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

/** The lines of a text with literal `\\n`, which the `echo` of some shells turns into line ends. */
function writtenLinesOf(text: string): string[] {
  if (!/\\[nr]/.test(text)) return [];
  return linesOf(text.replace(/\\[nr]/g, "\n")).filter((line) => Buffer.byteLength(line) >= SHORTEST_PART);
}

/** The longer strings within a secret that is JSON, like the private key of a service account. */
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
 * Returns a text's forms within a longer encoded text. Digits that also depend on neighbouring bytes are left
 * out. If the text ends the encoding, its last digit and the padding are included.
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
