import { DatabaseSync, type StatementSync } from "node:sqlite";
import { explain, isBusy } from "./explain.ts";

/**
 * One connection. Everything is synchronous, so what happens within one call is seen whole by this process; `write` makes
 * it whole for other processes and for a crash. Every statement is prepared once, by whoever uses it.
 */
export class Database implements Disposable {
  readonly #sqlite: DatabaseSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  readonly #version: StatementSync;

  constructor(path: string) {
    this.#sqlite = new DatabaseSync(path);
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
    this.#sqlite.exec(sql);
  }

  /** Runs statements that change nothing, or a single one that does. Throws `Retryable` where SQLite cannot just now. */
  run<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw explain(error);
    }
  }

  /** Runs `work` in one transaction that has the write lock from its beginning; what it throws undoes all of it. */
  write<T>(work: () => T): T {
    this.run(() => this.#begin.run());
    try {
      const result = work();
      this.#commit.run();
      return result;
    } catch (error) {
      this.#undo();
      throw explain(error);
    }
  }

  /** A number that is another one after every change by somebody else: another connection, another process. */
  othersVersion(): number {
    return this.run(() => Number(this.#version.get()?.["data_version"]));
  }

  [Symbol.dispose](): void {
    this.#sqlite.close();
  }

  #undo(): void {
    try {
      this.#rollback.run();
    } catch {
      // SQLite has ended the transaction itself, as it does when the disk is full.
    }
  }
}

/** Opens the file and switches it to write-ahead logging, whoever else does so at the same time. */
export async function connect(path: string): Promise<Database> {
  const database = new Database(path);
  try {
    await useWriteAheadLog(database);
    // NORMAL: a process that is killed loses nothing, since every commit is in the operating system's hands before it
    // returns. Only a power cut could take the last commits, and it takes the containers they speak of too.
    database.exec("PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 67108864");
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
      if (!isBusy(error) || tries === 500) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10 + Math.random() * 20));
    }
  }
}

/** Transactions here take fractions of a millisecond; only a machine on its knees comes near to this. */
const BUSY_TIMEOUT_MS = 10_000;
