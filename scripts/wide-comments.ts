/** Returns the numbers of the lines that hold only a comment and have more than `most` characters. */
export function wideComments(text: string, most: number): number[] {
  return text.split("\n").flatMap((line, i) =>
    /^\s*(?:\/\/|\/?\*)/.test(line) && [...line].length > most ? [i + 1] : []
  );
}
