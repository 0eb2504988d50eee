import { neutral } from "../../../driver/program/command-line/neutral.ts";
import type { Style } from "./style.ts";

export interface Cell {
  readonly text: string;
  readonly paint?: ((text: string) => string) | undefined;
}

/** A cell that is longer moves the rest of its own row, and of no other. */
const MOST_PADDED = 60;
/** Below this, a last column that does not fit goes below its row. */
const LEAST_COLUMN = 20;
const INDENT = 2;

/**
 * Returns the lines of a table with titles, columns two spaces apart. Neutralizes untrusted text. If the
 * screen's width is given, the last column is wrapped between words.
 */
export function tableLines(
  titles: readonly string[],
  rows: readonly (readonly (string | Cell)[])[],
  style: Style,
  columns = Infinity,
): string[] {
  const cells = rows.map((row) =>
    row.map((cell) => harmless(typeof cell === "string" ? { text: cell } : cell))
  );
  const widths = titles.map((title, i) =>
    paddedWidth([title.length, ...cells.map((row) => row[i]?.text.length ?? 0)])
  );
  const padded = ({ text, paint = same }: Cell, i: number) =>
    `${paint(text)}${" ".repeat(Math.max(0, (widths[i] ?? 0) - text.length) + 2)}`;
  const begin = widths.slice(0, -1).reduce((sum, width) => sum + width + 2, 0);
  const lines = (row: readonly Cell[]): string[] => {
    const last = row.at(-1) ?? { text: "" };
    const paint = last.paint ?? same;
    const start = row.slice(0, -1).map(padded).join("");
    if (begin + last.text.length <= columns) return [`${start}${paint(last.text)}`.trimEnd()];
    const isBelow = columns - begin < LEAST_COLUMN;
    const indent = isBelow ? INDENT : begin;
    const wrapped = wrap(last.text, columns - indent).map((text) => `${" ".repeat(indent)}${paint(text)}`);
    if (isBelow) return [start.trimEnd(), ...wrapped];
    return [`${start}${wrapped[0]?.slice(indent)}`, ...wrapped.slice(1)];
  };
  return [...lines(titles.map((text) => ({ text, paint: style.bold }))), ...cells.flatMap(lines)];
}

/** Returns the width of a column: that of its longest text which is not too long to pad others to it. */
export const paddedWidth = (lengths: readonly number[]): number =>
  lengths.reduce((width, length) => length <= MOST_PADDED ? Math.max(width, length) : width, 0);

/** Splits a text between words into lines of at most `width` characters; a longer word is left whole. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let current = "";
  for (const word of text.split(" ")) {
    const longer = current === "" ? word : `${current} ${word}`;
    if (current !== "" && longer.length > width) {
      lines.push(current);
      current = word;
    } else current = longer;
  }
  return [...lines, current];
}

const same = (text: string): string => text;
const harmless = ({ text, paint }: Cell): Cell => ({ text: neutral(text.replaceAll("\n", " ")), paint });
