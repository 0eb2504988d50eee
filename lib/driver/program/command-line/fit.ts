/** Below this, lines are left to the terminal. */
const LEAST_WIDTH = 40;

/**
 * Returns a help text whose lines fit into `width` columns: wrapped between words, and below where they began.
 * A command line (`  $ …`) goes on after a backslash. Without a width the text is returned as it is.
 */
export function fitText(text: string, width: number | undefined): string {
  if (width === undefined || width < LEAST_WIDTH) return text;
  return text.split("\n").map((line) => lengthOf(line) > width ? wrapped(line, width) : line).join("\n");
}

function wrapped(line: string, width: number): string {
  const command = /^( *)\$ /.exec(line);
  const indent = command ? `${command[1]}    ` : /^ */.exec(line)?.[0] ?? "";
  const end = command ? " \\" : "";
  const lines: string[] = [];
  let current = "";
  for (const word of command ? shellWords(line) : line.split(/(?<=\S) /)) {
    const longer = current === "" ? word : `${current} ${word}`;
    if (current !== "" && lengthOf(longer) + end.length > width) {
      lines.push(current + end);
      current = indent + word;
    } else current = longer;
  }
  return [...lines, current].join("\n");
}

/** Splits at blanks that are not within quotes. */
const shellWords = (line: string): string[] => line.match(/^ *\$|(?:'[^']*'|"[^"]*"|[^\s'"])+/g) ?? [line];

/** Styles take no columns. */
// deno-lint-ignore no-control-regex
const lengthOf = (text: string): number => text.replace(/\x1b\[\d+m/g, "").length;
