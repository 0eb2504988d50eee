import { DatabaseSync, type StatementSync } from "node:sqlite";
import { retry } from "../../base/retry.ts";
import { freeBytes, sizeOf } from "./disk.ts";
import { explain, isFull } from "./explain.ts";

/**
 * One connection. Everything is synchronous, so what happens within one call is seen whole by this process; `write` makes
 * it whole for other processes and for a crash. Every statement is prepared once, by whoever uses it. Where SQLite cannot
 * just now, calls throw `Retryable`.
 */
export class Database implements Disposable {
  readonly #sqlite: DatabaseSync;
  readonly #path: string;
  readonly #logPath: string;
  readonly #makeRoom: () => number;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  readonly #version: StatementSync;
  readonly #pageCount: StatementSync;
  #writes = 0;

  /** `makeRoom` is called when the disk is full and answers how many bytes it has freed; then the write is tried once more. */
  constructor(path: string, makeRoom: () => number) {
    this.#sqlite = new DatabaseSync(path);
    this.#path = path;
    this.#logPath = `${path}-wal`;
    this.#makeRoom = makeRoom;
    this.#sqlite.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    this.#begin = this.#sqlite.prepare("BEGIN IMMEDIATE");
    this.#commit = this.#sqlite.prepare("COMMIT");
    this.#rollback = this.#sqlite.prepare("ROLLBACK");
    this.#version = this.#sqlite.prepare("PRAGMA data_version");
    this.#pageCount = this.#sqlite.prepare("PRAGMA page_count");
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
    const result = this.#explained(() => this.#transaction(work));
    if (++this.#writes % LOOK_EVERY === 0 && sizeOf(this.#logPath) >= LOG_BYTES) {
      this.#checkpoint("PASSIVE", freeBytes(this.#path));
    }
    return result;
  }

  /** A number that is another one after every change by somebody else: another connection, another process. */
  othersVersion(): number {
    return this.run(() => Number(this.#version.get()?.["data_version"]));
  }

  /** Gives the log's room, and that of what was removed, back to the disk, if that can be done with `room` bytes. */
  emptyLog(room: number): void {
    this.#checkpoint("TRUNCATE", room);
  }

  [Symbol.dispose](): void {
    this.#sqlite.close();
  }

  #explained<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      const room = isFull(error) ? this.#makeRoom() : 0;
      if (room === 0) throw explain(error);
      this.emptyLog(room);
    }
    try {
      return work();
    } catch (error) {
      throw explain(error);
    }
  }

  /**
   * Brings what the log holds into the database: PASSIVE, so that nobody waits and the log is used anew, or TRUNCATE, so
   * that its file is empty. Not where the database might not get the room for it: half of it would take the room for nothing.
   */
  #checkpoint(mode: "PASSIVE" | "TRUNCATE", room: number): void {
    try {
      if (this.#growth() < room) this.#sqlite.exec(`PRAGMA wal_checkpoint(${mode})`);
    } catch {
      // Then the log goes on where it is, for as long as there is room.
    }
  }

  /** How many bytes the database's file lacks for what the log holds. */
  #growth(): number {
    const pages = Number(this.#pageCount.get()?.["page_count"]);
    return pages * PAGE_BYTES - sizeOf(this.#path);
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
export async function connect(path: string, makeRoom: () => number): Promise<Database> {
  const database = new Database(path, makeRoom);
  try {
    // Before anything is in it: what is removed gives its room back to the disk.
    database.exec("PRAGMA auto_vacuum = INCREMENTAL");
    await useWriteAheadLog(database);
    // NORMAL: a process that is killed loses nothing, since every commit is in the operating system's hands before it
    // returns. Only a power cut could take the last commits, and it takes the containers they speak of too.
    // The log is emptied by `write`: SQLite itself would begin to, and take the last room for it, when the disk is full.
    database.exec(
      `PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = ${
        LOG_BYTES / 2
      }`,
    );
    return database;
  } catch (error) {
    database[Symbol.dispose]();
    throw error;
  }
}

/** SQLite does not wait for others at this switch, so that we do. */
async function useWriteAheadLog(database: Database): Promise<void> {
  const work = () => Promise.resolve().then(() => database.exec("PRAGMA journal_mode = WAL"));
  await retry(work, { tries: 500, firstMs: 30, mostMs: 30 });
}

/** Transactions here take fractions of a millisecond; only a machine on its knees comes near to this. */
const BUSY_TIMEOUT_MS = 10_000;
/**
 * More than most runs write is gathered in the log before it goes into the database (and what is left when the last process
 * closes it): SQLite then waits for the disk, and all that this process does waits with it, for seconds where builds keep
 * the disk busy.
 */
const LOG_BYTES = 64 * 1024 * 1024;
/** Looking at the log's size costs as much as a tenth of a write. */
const LOOK_EVERY = 64;
/** SQLite's default. */
const PAGE_BYTES = 4096;
