import type { StatementSync } from "node:sqlite";
import { messageOf } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import type { Database } from "./database.ts";
import { DamagedError } from "./explain.ts";

/** A stored value is not valid. */
export class UnreadableError extends Error {
  override readonly name = "UnreadableError";
}

/** A value's location in its table. */
export interface Place {
  /** Kind of the value for messages: `run`, `pipeline`. */
  readonly kind: string;
  readonly key: string;
  /** Copies the value to `set_aside`; parameters: kind, time, reason, key. */
  readonly copy: StatementSync;
  /** Removes the value; parameter: key. */
  readonly remove: StatementSync;
}

/**
 * Handles unreadable data. An unreadable value is logged, moved to the table `set_aside` for inspection, and
 * from then on treated as missing. A value on a damaged page stays in its table and is skipped; so does every
 * one in a database that cannot be written to.
 */
export class SetAside {
  readonly #database: Database;
  readonly #mark: StatementSync;
  /** The values that stay in their table and are skipped. */
  readonly #marked: Set<string>;

  constructor(database: Database) {
    this.#database = database;
    this.#mark = database.prepare("INSERT OR IGNORE INTO set_aside (kind, key, at, why) VALUES (?, ?, ?, ?)");
    const rows = database.run(() =>
      database.prepare("SELECT kind, key FROM set_aside WHERE value IS NULL").all()
    );
    this.#marked = new Set(rows.map((row) => nameOf(String(row["kind"]), String(row["key"]))));
  }

  /** True for a value that stays in its table and is skipped. */
  has(kind: string, key: string): boolean {
    return this.#marked.has(nameOf(kind, key));
  }

  /**
   * Returns the result of `read`; undefined if the value is or was unreadable. Call outside of transactions.
   */
  read<T>(place: Place, read: () => T): T | undefined {
    const { kind, key } = place;
    if (this.has(kind, key)) return undefined;
    try {
      return read();
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      const stays = error instanceof DamagedError || !this.#database.isWritable;
      return stays ? this.pass(kind, key, error) : this.#move(place, read);
    }
  }

  /** Skips a value from now on, and logs it. */
  pass(kind: string, key: string, error: unknown): undefined {
    this.#marked.add(nameOf(kind, key));
    say(kind, key, error);
    if (!this.#database.isWritable) return;
    try {
      this.#database.write(() => this.#mark.run(kind, key, Date.now(), messageOf(error)));
    } catch (cause) {
      // The next process will detect it again.
      processLog("backend").warn("Cannot note what was set aside: {error}", { error: messageOf(cause) });
    }
  }

  /** Moves a value to `set_aside`, unless another process has replaced it meanwhile. */
  #move<T>({ kind, key, copy, remove }: Place, read: () => T): T | undefined {
    return this.#database.write(() => {
      try {
        return read();
      } catch (error) {
        if (!isUnreadable(error)) throw error;
        copy.run(kind, Date.now(), messageOf(error), key);
        remove.run(key);
        say(kind, key, error);
      }
      return undefined;
    });
  }
}

/** True if a retry would fail the same way: the bytes are damaged or not a valid value. */
export function isUnreadable(error: unknown): boolean {
  return error instanceof DamagedError || error instanceof UnreadableError || error instanceof SyntaxError;
}

function say(kind: string, key: string, error: unknown): void {
  processLog("backend").error(
    "Set aside {kind} {key}, which cannot be read: {why}. It is kept in the database, for people to look at",
    { kind, key, why: messageOf(error) },
  );
}

const nameOf = (kind: string, key: string): string => `${kind}/${key}`;
