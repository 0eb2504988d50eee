/** One change to a file's text that a test should notice. */
export interface Mutant {
  readonly line: number;
  /** The change in words: `< became <=`. */
  readonly what: string;
  readonly text: string;
}

/** The kinds of changes: a pattern, and what replaces it. */
const CHANGES: readonly { pattern: RegExp; to: (match: RegExpMatchArray) => string }[] = [
  { pattern: / (<|<=|>|>=) (?=[\w(#-])/g, to: ([, sign = ""]) => ` ${SWAPPED[sign]} ` },
  { pattern: / (===|!==) /g, to: ([, sign]) => sign === "===" ? " !== " : " === " },
  { pattern: / (&&|\|\|) /g, to: ([, sign]) => sign === "&&" ? " || " : " && " },
  { pattern: /\b(true|false)\b(?=[;,)\s])/g, to: ([, word]) => word === "true" ? "false" : "true" },
  { pattern: / ([+-]) (?=[\w(#])/g, to: ([, sign]) => sign === "+" ? " - " : " + " },
  {
    pattern: /(?<=[ (])(\d[\d_]*)(?=[;,)\s])/g,
    to: ([, number = "0"]) => String(Number(number.replaceAll("_", "")) + 1),
  },
  { pattern: /\bMath\.(min|max)\(/g, to: ([, name]) => name === "min" ? "Math.max(" : "Math.min(" },
  { pattern: /\.(some|every)\(/g, to: ([, name]) => name === "some" ? ".every(" : ".some(" },
  { pattern: /\bif \(!/g, to: () => "if (" },
  { pattern: /(?<!for )\bawait (?=[\w.#]+\()/g, to: () => "" },
];
const SWAPPED: Record<string, string> = { "<": "<=", "<=": "<", ">": ">=", ">=": ">" };

/** A statement on one line that is only a call. Such a line is left out. */
const CALL = /^ +(?:await |void )?[\w.#?[\]]+\(.*\);$/;

/**
 * Returns all mutants of a source text. Comments, imports and lines of types are not changed. Nor are texts
 * of several lines, like the scripts for a container: no unit test runs those.
 */
export function mutantsOf(text: string): Mutant[] {
  const lines = text.split("\n");
  const mutants: Mutant[] = [];
  let isComment = false;
  let isText = false;
  lines.forEach((line, i) => {
    if (line.trimStart().startsWith("/*")) isComment = true;
    const isCode = !isComment && !/^\s*(?:\/\/|\*|import\b|export type\b|type\b|readonly\b|\|)/.test(line);
    if (line.includes("*/")) isComment = false;
    if (!isCode) return;
    const isWithin = isText;
    if ((line.match(/(?<!\\)`/g)?.length ?? 0) % 2 === 1) isText = !isText;
    if (isWithin) return;
    const put = (changed: string, what: string) =>
      mutants.push({ line: i + 1, what, text: lines.with(i, changed).join("\n") });
    for (const { pattern, to } of CHANGES) {
      for (const match of line.matchAll(pattern)) {
        if (isQuoted(line, match.index)) continue;
        const instead = to(match);
        const changed = line.slice(0, match.index) + instead + line.slice(match.index + match[0].length);
        put(changed, `"${match[0].trim()}" became "${instead.trim()}"`);
      }
    }
    if (CALL.test(line) && !/\b(?:super|throw|return)\b/.test(line)) put("", `"${line.trim()}" was left out`);
  });
  return mutants;
}

/** True if this place of the line is in a quoted text: tests need not notice a changed message. */
function isQuoted(line: string, at: number): boolean {
  const before = line.slice(0, at);
  return (before.match(/(?<!\\)"/g)?.length ?? 0) % 2 === 1 ||
    (before.match(/(?<!\\)`/g)?.length ?? 0) % 2 === 1;
}
