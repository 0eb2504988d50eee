/** The promise's outcome, or a failure that names what did not come. Generous: it only keeps a broken test from hanging. */
export async function within<T>(promise: PromiseLike<T>, what: string, ms = 40_000): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`Waited ${ms} ms for ${what}`)), ms);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
