/** Lets callers wait for each other: whenever this many have come, they go on. */
export function barrier(count: number): () => Promise<void> {
  let full = Promise.withResolvers<void>();
  let here = 0;
  return () => {
    const { promise, resolve } = full;
    if (++here === count) {
      resolve();
      full = Promise.withResolvers();
      here = 0;
    }
    return promise;
  };
}
