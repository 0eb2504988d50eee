/** Characters of a line that are shown around a place in it. */
const SHOWN = 100;
const BEFORE = 60;

/** A text that a person wrote, with a name for it in messages: a path, or where in a repository it stands. */
export interface FileText {
  readonly name: string;
  readonly text: string;
}

/**
 * Returns a problem with its place, as compilers do: `FILE:LINE:COLUMN: message`, the line, and a caret below
 * the column. Without an offset only the file is named.
 */
export function problemAt({ name, text }: FileText, offset: number | undefined, message: string): string {
  if (offset === undefined) return `${name}: ${message}`;
  const start = text.lastIndexOf("\n", offset - 1) + 1;
  const end = text.indexOf("\n", offset);
  const line = text.slice(start, end === -1 ? text.length : end).replace(/\r$/, "");
  const number = text.slice(0, start).split("\n").length;
  const column = offset - start;
  return `${name}:${number}:${column + 1}: ${message}\n${excerpt(line, number, column)}`;
}

function excerpt(line: string, number: number, column: number): string {
  const from = column > SHOWN - 20 ? column - BEFORE : 0;
  const shown = line.slice(from, from + SHOWN);
  const label = `  ${number} | `;
  // Tabs stay, so that the caret stands below its column.
  const blanks = shown.slice(0, column - from).replace(/[^\t]/g, " ");
  return `${label}${shown}\n${" ".repeat(label.length - 2)}| ${blanks}^`;
}
