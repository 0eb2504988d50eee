import { DatabaseSync, type StatementSync } from "node:sqlite";
import { Retryable } from "../../base/errors.ts";
import { explain, isFull } from "./explain.ts";

/**
 * One connection. Everything is synchronous, so what happens within one call is seen whole by this process; `write` makes
 * it whole for other processes and for a crash. Every statement is prepared once, by whoever uses it. Where SQLite cannot
 * just now, calls throw `Retryable`.
 */
export class Database implements Disposable {
  readonly #sqlite: DatabaseSync;
  readonly #makeRoom: () => boolean;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  readonly #version: StatementSync;

  /** `makeRoom` is called when the disk is full; where it answers true, what was to be written is tried once more. */
  constructor(path: string, makeRoom: () => boolean) {
    this.#sqlite = new DatabaseSync(path);
    this.#makeRoom = makeRoom;
    this.#sqlite.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    this.#begin = this.#sqlite.prepare("BEGIN IMMEDIATE");
    this.#commit = this.#sqlite.prepare("COMMIT");
    this.#rollback = this.#sqlite.prepare("ROLLBACK");
    this.#version = this.#sqlite.prepare("PRAGMA data_version");
  }

  prepare(sql: string): StatementSync {
    return this.#sqlite.prepare(sql);
  }

  /** Statements without parameters, several at once. */
  exec(sql: string): void {
    this.run(() => this.#sqlite.exec(sql));
  }

  /** Statements that change nothing, or a single one that does. */
  run<T>(work: () => T): T {
    return this.#explained(work);
  }

  /** Runs `work` in one transaction that has the write lock from its beginning; what it throws undoes all of it. */
  write<T>(work: () => T): T {
    return this.#explained(() => this.#transaction(work));
  }

  /** A number that is another one after every change by somebody else: another connection, another process. */
  othersVersion(): number {
    return this.run(() => Number(this.#version.get()?.["data_version"]));
  }

  /** Brings what the log holds into the database, so that its room, and what was removed, is free again. */
  emptyLog(): void {
    try {
      this.#sqlite.exec("PRAGMA wal_checkpoint");
    } catch {
      // Then the log goes on where it is, for as long as there is room.
    }
  }

  [Symbol.dispose](): void {
    this.#sqlite.close();
  }

  #explained<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!isFull(error) || !this.#makeRoom()) throw explain(error);
    }
    try {
      this.emptyLog();
      return work();
    } catch (error) {
      throw explain(error);
    }
  }

  #transaction<T>(work: () => T): T {
    this.#begin.run();
    try {
      const result = work();
      this.#commit.run();
      return result;
    } catch (error) {
      this.#undo();
      throw error;
    }
  }

  #undo(): void {
    try {
      this.#rollback.run();
    } catch {
      // SQLite has ended the transaction itself, as it does when the disk is full.
    }
  }
}

/** Opens the file with write-ahead logging, whoever else does so at the same time. `makeRoom`: see Database. */
export async function connect(path: string, makeRoom: () => boolean): Promise<Database> {
  const database = new Database(path, makeRoom);
  try {
    // Before anything is in it: what is removed gives its room back to the disk.
    database.exec("PRAGMA auto_vacuum = INCREMENTAL");
    await useWriteAheadLog(database);
    // NORMAL: a process that is killed loses nothing, since every commit is in the operating system's hands before it
    // returns. Only a power cut could take the last commits, and it takes the containers they speak of too.
    database.exec(
      `PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = ${WAL_PAGES};
       PRAGMA journal_size_limit = ${WAL_BYTES}`,
    );
    return database;
  } catch (error) {
    database[Symbol.dispose]();
    throw error;
  }
}

/** SQLite does not wait for others at this switch, so that we do. */
async function useWriteAheadLog(database: Database): Promise<void> {
  for (let tries = 1;; tries++) {
    try {
      return database.exec("PRAGMA journal_mode = WAL");
    } catch (error) {
      if (!(error instanceof Retryable) || error.reason === "disk-full" || tries === 500) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10 + Math.random() * 20));
    }
  }
}

/** Transactions here take fractions of a millisecond; only a machine on its knees comes near to this. */
const BUSY_TIMEOUT_MS = 10_000;
/** So much is gathered in the log before it goes into the database: seldom, since that waits for the disk. */
const WAL_PAGES = 4000;
/** What the log grows to. Pages have SQLite's default size. */
export const WAL_BYTES = WAL_PAGES * 4096;
