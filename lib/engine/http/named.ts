import type { Context } from "hono";
import { z } from "zod";
import { InputError } from "../../base/errors.ts";
import { ConflictError, type Table } from "../../backend/store.ts";

/** What the routes of resource types and those of pipelines share. */

/** A text that a body may leave out. */
export const optionalText = z.string().max(10_000).nullish().transform((value) => value ?? "");

/** Returns the name in a request's path. */
export const nameIn = ({ req }: Context): string => req.param("name") ?? "";

/** Throws InputError if a body has another name than the path. */
export function checkSameName(given: string | undefined, name: string): void {
  if (given === undefined || given === name) return;
  throw new InputError(`body.name: expected "${name}" as in the path, got "${given}"`);
}

/** Stores a new entry. Throws `exists()` if there is one with this name. */
export async function putNew<T>(
  table: Pick<Table<T>, "put">,
  name: string,
  value: T,
  exists: () => Error,
): Promise<void> {
  try {
    await table.put(name, value, 0);
  } catch (error) {
    throw error instanceof ConflictError ? exists() : error;
  }
}
