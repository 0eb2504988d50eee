/**
 * Yields the lines of a text that arrives in pieces. Text after the last newline is a line if the source is
 * complete (`hasEnd`); otherwise it may be cut off and is dropped. Throws `tooLong()` if a line has more than
 * `most` characters.
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
