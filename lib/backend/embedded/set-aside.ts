import type { StatementSync } from "node:sqlite";
import { messageOf } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import type { Database } from "./database.ts";
import { DamagedError } from "./explain.ts";

/** A stored value that is not what it has to be. */
export class UnreadableError extends Error {
  override readonly name = "UnreadableError";
}

/** A value in the table that it belongs to. */
export interface Place {
  /** What the value is, for people: `run`, `pipeline`. */
  readonly kind: string;
  readonly key: string;
  /** Copies the value's text to `set_aside`; wants kind, time, reason and key. */
  readonly copy: StatementSync;
  /** Removes the value; wants its key. */
  readonly remove: StatementSync;
}

/**
 * What of the data cannot be read. It is named in the process log, kept in the table `set_aside` for people to look at, and from
 * then on as if it were not there. What lies on a damaged page stays where it is, and is passed over.
 */
export class SetAside {
  readonly #database: Database;
  readonly #mark: StatementSync;
  /** What stays where it is. */
  readonly #marked: Set<string>;

  constructor(database: Database) {
    this.#database = database;
    this.#mark = database.prepare("INSERT OR IGNORE INTO set_aside (kind, key, at, why) VALUES (?, ?, ?, ?)");
    const rows = database.run(() =>
      database.prepare("SELECT kind, key FROM set_aside WHERE value IS NULL").all()
    );
    this.#marked = new Set(rows.map((row) => nameOf(String(row["kind"]), String(row["key"]))));
  }

  /** True for what stays where it is and is passed over. */
  has(kind: string, key: string): boolean {
    return this.#marked.has(nameOf(kind, key));
  }

  /** What `read` answers; undefined where that cannot be read, now or earlier. Not within a transaction. */
  read<T>(place: Place, read: () => T): T | undefined {
    const { kind, key } = place;
    if (this.has(kind, key)) return undefined;
    try {
      return read();
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      return error instanceof DamagedError ? this.pass(kind, key, error) : this.#move(place, read);
    }
  }

  /** Passes over a value from now on, and says so. */
  pass(kind: string, key: string, error: unknown): undefined {
    this.#marked.add(nameOf(kind, key));
    say(kind, key, error);
    try {
      this.#database.write(() => this.#mark.run(kind, key, Date.now(), messageOf(error)));
    } catch (cause) {
      // Then the next process finds out by itself.
      processLog("backend").warn("Cannot note what was set aside: {error}", { error: messageOf(cause) });
    }
  }

  /** Moves a value to `set_aside`, unless somebody else has replaced it meanwhile. */
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

/** True where trying again would end the same way: the bytes are damaged, or are no value of their kind. */
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
