import { paced } from "./pace.ts";

/** The promise's outcome, or a failure that names what did not come. Generous: it only keeps a broken test from hanging. */
export async function within<T>(promise: PromiseLike<T>, what: string | (() => string)): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const ms = paced(60_000);
  const fail = () => reject(new Error(`Waited ${ms} ms for ${typeof what === "string" ? what : what()}`));
  const timer = setTimeout(fail, ms);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A signal that fires where a call takes so long that its test is broken. */
export const patience = (): AbortSignal => AbortSignal.timeout(paced(60_000));
