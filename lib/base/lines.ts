/**
 * The lines of a text that comes in pieces. What is left behind the last newline is a line where the text has come to its end
 * (`hasEnd`), else it may have been cut off and is left out. Throws what `tooLong` makes where a line has more than `most`
 * characters.
 */
export async function* linesOf(
  bytes: AsyncIterable<Uint8Array>,
  { hasEnd, most = Infinity, tooLong = () => new RangeError(`A line has more than ${most} characters`) }: {
    hasEnd: boolean;
    most?: number;
    tooLong?: () => Error;
  },
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of bytes) {
    const lines = decoder.decode(piece, { stream: true }).split("\n");
    lines[0] = rest + (lines[0] ?? "");
    rest = lines.pop() ?? "";
    if (rest.length > most) throw tooLong();
    yield* lines;
  }
  if (hasEnd && rest !== "") yield rest;
}
