import { type CallOptions, DockerError } from "./docker.ts";

/** A name or id that can exist; anything else would be a path to another part of the daemon. */
const REFERENCE = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/** The name or id if it can be one. Throws DockerError 404 otherwise: what cannot be is not there. */
export function checked(what: string, reference: string): string {
  if (REFERENCE.test(reference)) return reference;
  throw new DockerError(`No such ${what}: "${reference}"`, { status: 404 });
}

/** Our options of a call, as dockerode takes them beside its own. */
export function call({ signal }: CallOptions): { abortSignal?: AbortSignal } {
  return signal ? { abortSignal: signal } : {};
}

/** The filter for what carries all these labels; an empty value asks for the key alone. */
export function labelFilter(labels: Readonly<Record<string, string>>): { label: string[] } {
  return { label: Object.entries(labels).map(([key, value]) => value === "" ? key : `${key}=${value}`) };
}

/** The call's answer, or undefined where the daemon says one of these. */
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

/** Whether the call did it; false where the daemon says one of these: there was nothing to do. */
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
