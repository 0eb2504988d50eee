import { DatabaseSync, type StatementSync } from "node:sqlite";
import { retry } from "../../base/retry.ts";
import { Checkpointer } from "./checkpointer.ts";
import { freeBytes, sizeOf } from "./disk.ts";
import { explain, isFull } from "./explain.ts";
import { WriteQueue } from "./write-queue.ts";

/**
 * One SQLite connection. All calls are synchronous, so other code of this process cannot run in between;
 * `write` is also atomic for other processes and for a crash. Prepare each statement once. Throws `Retryable`
 * if SQLite is busy or the disk is full.
 */
export class Database implements Disposable {
  readonly #sqlite: DatabaseSync;
  readonly #path: string;
  readonly #logPath: string;
  readonly #logBytes: number;
  readonly #checkpointer: Checkpointer;
  /** The log's size at which the next checkpoint starts. */
  #copyAt: number;
  readonly #makeRoom: () => number;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  readonly #version: StatementSync;
  readonly #pageCount: StatementSync;
  readonly #queue = new WriteQueue((work) => this.write(work));
  #writes = 0;

  /**
   * If the disk is full, `makeRoom` is called and returns the bytes that it has freed; then the statement is
   * retried once. `logBytes`: size of the log that triggers a checkpoint.
   */
  constructor(path: string, makeRoom: () => number, { logBytes = LOG_BYTES }: { logBytes?: number } = {}) {
    this.#sqlite = new DatabaseSync(path);
    this.#path = path;
    this.#logPath = `${path}-wal`;
    this.#logBytes = logBytes;
    this.#copyAt = logBytes;
    this.#checkpointer = new Checkpointer(path);
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

  /** Executes one or more statements without parameters. */
  exec(sql: string): void {
    this.run(() => this.#sqlite.exec(sql));
  }

  /** Runs statements that change nothing, or a single one that does. */
  run<T>(work: () => T): T {
    return this.#explained(work);
  }

  /** Runs `work` in one transaction that holds the write lock from the start; an error rolls it back. */
  write<T>(work: () => T): T {
    const result = this.#explained(() => this.#transaction(work));
    if (++this.#writes % LOOK_EVERY === 0) this.#lookAtLog();
    return result;
  }

  /**
   * Like `write`, in one transaction with the other writes that arrive at this moment. `work` may be called
   * twice, the first time undone.
   */
  writeSoon<T>(work: () => T): Promise<T> {
    return this.#queue.write(work);
  }

  /** Returns a number that differs after every change by another connection or process. */
  othersVersion(): number {
    return this.run(() => Number(this.#version.get()?.["data_version"]));
  }

  /** Returns the space of the log and of removed data to the disk, if that needs fewer than `room` bytes. */
  emptyLog(room: number): void {
    this.#checkpoint("TRUNCATE", room);
  }

  [Symbol.dispose](): void {
    this.#queue.flush();
    this.#checkpointer[Symbol.dispose]();
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

  /** Has a large log copied in the background; here and now if that does not keep up. */
  #lookAtLog(): void {
    const size = sizeOf(this.#logPath);
    if (size < this.#logBytes) this.#copyAt = this.#logBytes;
    if (size < this.#copyAt) return;
    const room = freeBytes(this.#path);
    if (this.#growth() >= room) return;
    const isBehind = size >= this.#logBytes * MOST_BEHIND;
    // Two at once would be in each other's way.
    if (isBehind && !this.#checkpointer.isRunning) return this.#checkpoint("PASSIVE", room);
    this.#copyAt = size + this.#logBytes / 4;
    if (!this.#checkpointer.start()) this.#checkpoint("PASSIVE", room);
  }

  /**
   * Copies the log into the database: PASSIVE does not wait for other connections and lets the log be reused,
   * TRUNCATE also empties its file. Skipped if the database could not grow enough: a partial copy would use
   * up the space for nothing.
   */
  #checkpoint(mode: "PASSIVE" | "TRUNCATE", room: number): void {
    try {
      if (this.#growth() < room) this.#sqlite.exec(`PRAGMA wal_checkpoint(${mode})`);
    } catch {
      // The log keeps growing as long as there is room.
    }
  }

  /** Returns how many bytes the database file must grow to hold the log. */
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
      // SQLite has already ended the transaction, as it does when the disk is full.
    }
  }
}

/**
 * Opens the file with write-ahead logging; safe if several processes do so at once. `makeRoom`: see
 * `Database`.
 */
export async function connect(
  path: string,
  makeRoom: () => number,
  { logBytes = LOG_BYTES }: { logBytes?: number } = {},
): Promise<Database> {
  const database = new Database(path, makeRoom, { logBytes });
  try {
    // Must be set before the first table is created: lets removed data return its space to the disk.
    database.exec("PRAGMA auto_vacuum = INCREMENTAL");
    await useWriteAheadLog(database);
    // NORMAL: a killed process loses nothing, since every commit is with the operating system before it
    // returns. Only a power cut could lose the last commits, and it ends the containers they describe too.
    // `write` checkpoints the log: SQLite's own checkpoint would start on a full disk and use up the last
    // space. The limit, to which a log that is used again is cut, is near the size that triggers a checkpoint:
    // to cut off much takes as long as many writes.
    database.exec(
      `PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = ${
        logBytes - logBytes / 16
      }`,
    );
    return database;
  } catch (error) {
    database[Symbol.dispose]();
    throw error;
  }
}

/** SQLite's busy timeout does not apply to this pragma, so retry. */
async function useWriteAheadLog(database: Database): Promise<void> {
  const work = () => Promise.resolve().then(() => database.exec("PRAGMA journal_mode = WAL"));
  await retry(work, { tries: 500, firstMs: 30, mostMs: 30 });
}

/** Transactions here take fractions of a millisecond; only an overloaded machine comes near this timeout. */
const BUSY_TIMEOUT_MS = 10_000;
/**
 * Log size that triggers a checkpoint: larger than what most runs write. A checkpoint waits for the disk, for
 * seconds if builds keep it busy. The rest is copied when the last process closes the database.
 */
const LOG_BYTES = 64 * 1024 * 1024;
/** How many times that size a log may have before a checkpoint blocks this process. */
const MOST_BEHIND = 2;
/** Number of writes between checks of the log's size: a check costs up to a tenth of a write. */
const LOOK_EVERY = 16;
/** SQLite's default page size. */
const PAGE_BYTES = 4096;
