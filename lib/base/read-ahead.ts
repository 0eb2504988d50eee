/**
 * Asks for the first piece of a stream at once, and for the others as they are read. Dispose it in any case:
 * that ends the stream, read or not.
 */
export function readAhead<T>(stream: AsyncIterable<T>): AsyncIterable<T> & AsyncDisposable {
  const pieces = stream[Symbol.asyncIterator]();
  let first: Promise<IteratorResult<T>> | undefined = pieces.next();
  // Thrown to the reader.
  first.catch(() => {});
  return {
    [Symbol.asyncIterator]: () => ({
      next() {
        const piece = first ?? pieces.next();
        first = undefined;
        return piece;
      },
    }),
    async [Symbol.asyncDispose]() {
      await pieces.return?.();
    },
  };
}
