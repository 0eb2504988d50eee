import { type CallOptions, DockerError } from "./docker.ts";

/** A valid name or id; anything else could be a path to another part of the daemon's API. */
const REFERENCE = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/** Returns the name or id if it is valid. Throws `DockerError` 404 otherwise, since it cannot exist. */
export function checked(what: string, reference: string): string {
  if (REFERENCE.test(reference)) return reference;
  throw new DockerError(`No such ${what}: "${reference}"`, { status: 404 });
}

/** Converts our call options to dockerode's. */
export function call({ signal }: CallOptions): { abortSignal?: AbortSignal } {
  return signal ? { abortSignal: signal } : {};
}

/** Returns the filter for objects with all these labels; an empty value matches any value of the key. */
export function labelFilter(labels: Readonly<Record<string, string>>): { label: string[] } {
  return { label: Object.entries(labels).map(([key, value]) => value === "" ? key : `${key}=${value}`) };
}

/** Returns the call's answer; undefined if the daemon answers with one of these statuses. */
export async function answered<T>(
  statuses: readonly number[],
  ask: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (hasStatus(error, statuses)) return undefined;
    throw error;
  }
}

/**
 * Returns true if the call succeeded, false if the daemon answers with one of these statuses: there was
 * nothing to do.
 */
export async function done(statuses: readonly number[], act: () => Promise<unknown>): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (error) {
    if (hasStatus(error, statuses)) return false;
    throw error;
  }
}

export function hasStatus(error: unknown, statuses: readonly number[]): boolean {
  return error instanceof DockerError && statuses.includes(error.status);
}
