import type { StatementSync } from "node:sqlite";
import { InputError } from "../../base/errors.ts";
import { ConflictError } from "../store.ts";
import type { Database } from "./database.ts";

/**
 * Issues revisions from one counter for the whole store, so that a key which was deleted and created again
 * never repeats one.
 */
export class Revisions {
  readonly #next: StatementSync;

  constructor(database: Database) {
    this.#next = database.prepare(
      "UPDATE meta SET value = value + 1 WHERE key = 'revision' RETURNING value",
    );
  }

  /** Call within a transaction. */
  next(): number {
    return Number(this.#next.get()?.["value"]);
  }
}

/** Throws `InputError` for a key that SQLite would truncate. */
export function checkKey(key: string): void {
  if (!key.includes("\0")) return;
  throw new InputError(`Invalid key ${JSON.stringify(key)}: expected one without NUL characters`);
}

/**
 * Throws `ConflictError` unless the key's revision is `expected`. `found`: its revision, undefined if the key
 * does not exist.
 */
export function checkRevision(key: string, found: unknown, expected: number): void {
  const revision = found === undefined ? 0 : Number(found);
  if (revision === expected) return;
  throw new ConflictError(`Cannot change "${key}": it is at revision ${revision}, expected ${expected}`);
}
