import { parseOwnJson } from "./json.ts";

/**
 * Rewrites a valid JSON text without blanks, keeping what `JSON.parse` and `JSON.stringify` lose: the digits
 * of numbers and the order of keys. Of members with the same key the last one is kept, as in `JSON.parse`;
 * members named `__proto__` are left out, as in `parseJson`. The text must have been accepted by `parseJson`,
 * which also bounds its depth.
 */
export function compactJson(text: string): string {
  return new Compacting(text).value();
}

/**
 * Returns the same text for two JSON texts that say the same: blanks, the order of keys and how a number is
 * written do not count, every digit of its value does. The text must have been accepted by `parseJson`.
 */
export function canonicalJson(text: string): string {
  return new Compacting(text, { isCanonical: true }).value();
}

/** Returns the same text for two decimal numbers of the same value, and another text as it is. */
export function canonicalNumber(text: string): string {
  const [, sign = "", whole = "", fraction = "", exponent = "0"] =
    /^([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  const digits = `${whole}${fraction}`.replace(/^0+/, "");
  if (digits === "") return /\d/.test(text) && whole + fraction !== "" ? "0" : text;
  let end = digits.length;
  while (digits[end - 1] === "0") end--;
  const power = BigInt(exponent) - BigInt(fraction.length) + BigInt(digits.length - end);
  return `${sign === "-" ? "-" : ""}${digits.slice(0, end)}e${power}`;
}

const BLANKS = " \t\n\r";
/** Characters that end a number or a word. */
const ENDS = `${BLANKS},]}`;

class Compacting {
  readonly #text: string;
  readonly #isCanonical: boolean;
  #at = 0;

  constructor(text: string, { isCanonical = false } = {}) {
    this.#text = text;
    this.#isCanonical = isCanonical;
  }

  value(): string {
    this.#skipBlanks();
    const first = this.#text[this.#at];
    if (first === "{") return this.#object();
    if (first === "[") return this.#array();
    return first === '"' ? JSON.stringify(this.#string()) : this.#word();
  }

  #object(): string {
    const members = new Map<string, string>();
    for (this.#at++; !this.#ends("}");) {
      const key = this.#string();
      this.#skipBlanks();
      this.#at++; // The colon.
      const value = this.value();
      if (key !== "__proto__") members.set(key, value);
    }
    const all = this.#isCanonical ? [...members].sort(([a], [b]) => a < b ? -1 : 1) : [...members];
    return `{${all.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join()}}`;
  }

  #array(): string {
    const values: string[] = [];
    for (this.#at++; !this.#ends("]");) values.push(this.value());
    return `[${values.join()}]`;
  }

  /** Skips blanks and a comma. Returns true, behind the bracket, at the end of an object or array. */
  #ends(bracket: string): boolean {
    this.#skipBlanks();
    if (this.#text[this.#at] === ",") this.#at++;
    this.#skipBlanks();
    const isEnd = this.#text[this.#at] === bracket || this.#at >= this.#text.length;
    if (isEnd) this.#at++;
    return isEnd;
  }

  #string(): string {
    const start = this.#at;
    for (this.#at++; this.#at < this.#text.length && this.#text[this.#at] !== '"'; this.#at++) {
      if (this.#text[this.#at] === "\\") this.#at++;
    }
    return parseOwnJson(this.#text.slice(start, ++this.#at));
  }

  #word(): string {
    const start = this.#at;
    while (this.#at < this.#text.length && !ENDS.includes(this.#text[this.#at] ?? "")) this.#at++;
    const word = this.#text.slice(start, this.#at);
    return this.#isCanonical ? canonicalNumber(word) : word;
  }

  #skipBlanks(): void {
    while (this.#at < this.#text.length && BLANKS.includes(this.#text[this.#at] ?? "")) this.#at++;
  }
}

/** Returns the JSON text of `object` with one more member, whose value is given as JSON text. */
export function jsonWith(object: Readonly<Record<string, unknown>>, key: string, text: string): string {
  const rest = JSON.stringify(object);
  return `${rest.slice(0, -1)}${rest === "{}" ? "" : ","}${JSON.stringify(key)}:${text}}`;
}
