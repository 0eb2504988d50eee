import { neutral } from "../../../driver/program/command-line/neutral.ts";
import type { Style } from "./style.ts";

export interface Cell {
  readonly text: string;
  readonly paint?: ((text: string) => string) | undefined;
}

/** Returns the lines of a table with titles, columns two spaces apart. Neutralizes untrusted text. */
export function tableLines(
  titles: readonly string[],
  rows: readonly (readonly (string | Cell)[])[],
  style: Style,
): string[] {
  const cells = rows.map((row) =>
    row.map((cell) => harmless(typeof cell === "string" ? { text: cell } : cell))
  );
  const widths = titles.map((title, i) =>
    Math.max(title.length, ...cells.map((row) => row[i]?.text.length ?? 0))
  );
  const line = (row: readonly Cell[]) =>
    row.map(({ text, paint = same }, i) => {
      const space = i === row.length - 1 ? "" : " ".repeat((widths[i] ?? 0) - text.length + 2);
      return `${paint(text)}${space}`;
    }).join("").trimEnd();
  return [line(titles.map((text) => ({ text, paint: style.bold }))), ...cells.map(line)];
}

const same = (text: string): string => text;
const harmless = ({ text, paint }: Cell): Cell => ({ text: neutral(text.replaceAll("\n", " ")), paint });
