/** Below this, lines are left to the terminal. */
const LEAST_WIDTH = 40;
/** The width of a list's descriptions without a terminal. */
const USUAL_WIDTH = 80;
/** Below this, descriptions are not wrapped in a column of their own. */
const LEAST_COLUMN = 20;
/** The beginning of a line of a list, up to its description. */
const LIST_TERM = /^ {2}(?:\S+ )+ +(?=\S)/;

/**
 * Returns a help text whose lines fit into `width` columns: wrapped between words, and below where they
 * began. A command line (`  $ …`) goes on after a backslash. Without a width only the descriptions of lists
 * are wrapped.
 */
export function fitText(text: string, width: number | undefined): string {
  if (width !== undefined && width < LEAST_WIDTH) return text;
  return text.split("\n").map((line) => {
    if (lengthOf(line) <= (width ?? USUAL_WIDTH)) return line;
    return width === undefined && !LIST_TERM.test(line) ? line : wrapped(line, width ?? USUAL_WIDTH);
  }).join("\n");
}

function wrapped(line: string, width: number): string {
  const command = /^( *)\$ /.exec(line);
  const indent = command ? `${command[1]}    ` : " ".repeat(beginOf(line, width));
  const end = command ? " \\" : "";
  const lines: string[] = [];
  let current = "";
  for (const word of command ? shellWords(line) : wordsOf(line)) {
    const longer = current === "" ? word : `${current} ${word}`;
    if (current !== "" && lengthOf(longer) + end.length > width) {
      lines.push(current + end);
      current = indent + word;
    } else current = longer;
  }
  return [...lines, current].join("\n");
}

/** Returns the column where the next lines of this one begin. */
function beginOf(line: string, width: number): number {
  const column = LIST_TERM.exec(line)?.[0].length;
  if (column !== undefined && width - column >= LEAST_COLUMN) return column;
  return /^ */.exec(line)?.[0].length ?? 0;
}

/** Splits between words. What stands before a list's description stays with its first word. */
function wordsOf(line: string): string[] {
  const term = LIST_TERM.exec(line)?.[0] ?? "";
  const [first = "", ...rest] = line.slice(term.length).split(/(?<=\S) /);
  return [term + first, ...rest];
}

/** Splits at blanks that are not within quotes. */
const shellWords = (line: string): string[] => line.match(/^ *\$|(?:'[^']*'|"[^"]*"|[^\s'"])+/g) ?? [line];

/** Styles take no columns. Most lines have none, and help is to come at once. */
const lengthOf = (text: string): number => (text.includes("\x1b") ? withoutStyles(text) : text).length;

// deno-lint-ignore no-control-regex
export const withoutStyles = (text: string): string => text.replace(/\x1b\[\d+m/g, "");
