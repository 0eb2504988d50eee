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

const BLANKS = " \t\n\r";
/** Characters that end a number or a word. */
const ENDS = `${BLANKS},]}`;

class Compacting {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
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
    return `{${Array.from(members, ([key, value]) => `${JSON.stringify(key)}:${value}`).join()}}`;
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
    return this.#text.slice(start, this.#at);
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
