import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { StatementSync } from "node:sqlite";
import { InputError, UnavailableError } from "../../base/errors.ts";
import type { Database } from "./database.ts";
import type { DataFolder } from "./folder.ts";
import { isLocked, type Lock, takeLock } from "./locks.ts";

/** The scopes of a data folder. A scope is alive while its process holds the scope's lock. */
export class Scopes {
  readonly #database: Database;
  readonly #folder: DataFolder;
  readonly #add: StatementSync;
  readonly #find: StatementSync;
  readonly #all: StatementSync;
  readonly #remove: StatementSync[];

  constructor(database: Database, folder: DataFolder) {
    this.#database = database;
    this.#folder = folder;
    this.#add = database.prepare("INSERT OR IGNORE INTO scopes (name) VALUES (?)");
    this.#find = database.prepare("SELECT id FROM scopes WHERE name = ?");
    this.#all = database.prepare("SELECT name FROM scopes ORDER BY id");
    this.#remove = [
      "DELETE FROM pending WHERE consumer IN (SELECT id FROM consumers WHERE scope = ?)",
      "DELETE FROM consumers WHERE scope = ?",
      "DELETE FROM messages WHERE scope = ?",
      "DELETE FROM scopes WHERE id = ?",
    ].map((sql) => database.prepare(sql));
  }

  /** Claims the scope until the lock is disposed. Throws `UnavailableError` while another process has it. */
  claim(name: string): { id: number; lock: Lock } {
    if (!SCOPE.test(name)) {
      throw new InputError(
        `Invalid scope ${JSON.stringify(name)}: expected letters, digits, - and _, 128 at most`,
      );
    }
    const claimed = this.#withLock(name, (lock) => {
      this.#add.run(name);
      this.#removePartial(name);
      mkdirSync(join(this.#folder.artifacts.partial, name), { mode: 0o700 });
      return { id: Number(this.#find.get(name)?.["id"]), lock };
    });
    if (!claimed) {
      throw new UnavailableError(
        `Cannot use "${this.#folder.path}" as "${name}": another process does so already`,
        { hint: "Wait until it has ended, or use another data folder." },
      );
    }
    return claimed;
  }

  isAlive(name: string): boolean {
    return SCOPE.test(name) && isLocked(this.#lockOf(name));
  }

  names(): string[] {
    return this.#database.run(() => this.#all.all()).map((row) => String(row["name"]));
  }

  dead(): string[] {
    return this.names().filter((name) => !this.isAlive(name));
  }

  /** Removes the scope's data. Throws `UnavailableError` while it is alive. */
  forget(name: string): void {
    const row = this.#database.run(() => this.#find.get(name));
    if (!row) return;
    const id = Number(row["id"]);
    const forgotten = this.#withLock(name, (lock) => {
      for (const remove of this.#remove) remove.run(id);
      this.#removePartial(name);
      lock.remove();
      return true;
    });
    if (!forgotten) throw new UnavailableError(`Cannot forget "${name}": its process is alive`);
  }

  /**
   * Runs `work` with the scope's lock; undefined if the lock is held. Locks are taken and removed only under
   * the database's write lock, so that no process ends up with the lock of a deleted file.
   */
  #withLock<T>(name: string, work: (lock: Lock) => T): T | undefined {
    let taken: Lock | undefined;
    try {
      return this.#database.write(() => {
        taken = takeLock(this.#lockOf(name));
        return taken && work(taken);
      });
    } catch (error) {
      taken?.[Symbol.dispose]();
      throw error;
    }
  }

  #lockOf(name: string): string {
    return join(this.#folder.locks, name);
  }

  #removePartial(name: string): void {
    rmSync(join(this.#folder.artifacts.partial, name), { recursive: true, force: true });
  }
}

const SCOPE = /^[A-Za-z0-9_-]{1,128}$/;
