import { paced } from "./pace.ts";

/** The promise's outcome, or a failure that names what did not come. Generous: it only keeps a broken test from hanging. */
export async function within<T>(promise: PromiseLike<T>, what: string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const ms = paced(60_000);
  const timer = setTimeout(() => reject(new Error(`Waited ${ms} ms for ${what}`)), ms);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
