/** A place where callers wait for each other: lets them go on whenever so many have come. */
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
