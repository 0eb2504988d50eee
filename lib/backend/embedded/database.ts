import { DatabaseSync, type StatementSync } from "node:sqlite";
import { retry } from "../../base/retry.ts";
import { type CheckpointOptions, Checkpoints, LOG_BYTES } from "./checkpoints.ts";
import type { Unwritable } from "./unwritable.ts";
import { explain, isFull } from "./explain.ts";
import { type Part, WriteQueue } from "./write-queue.ts";

/**
 * One SQLite connection. All calls are synchronous, so other code of this process cannot run in between;
 * `write` is also atomic for other processes and for a crash. Prepare each statement once. Throws `Retryable`
 * if SQLite is busy or the disk is full.
 */
export class Database implements AsyncDisposable {
  readonly #sqlite: DatabaseSync;
  readonly #unwritable: Unwritable | undefined;
  /** Undefined only in the constructor. */
  readonly #checkpoints: Checkpoints | undefined;
  readonly #makeRoom: () => number;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  readonly #beginPart: StatementSync;
  readonly #endPart: StatementSync;
  readonly #rollbackPart: StatementSync;
  readonly #version: StatementSync;
  readonly #queue = new WriteQueue({
    transaction: (work) => this.write(work),
    part: (work) => this.#part(work),
  });
  #writes = 0;

  /**
   * If the disk is full, `makeRoom` is called and returns the bytes that it has freed; then the statement is
   * retried once. `unwritable` is the connection, if nothing can be written.
   */
  constructor(
    path: string,
    makeRoom: () => number,
    { unwritable, ...options }: CheckpointOptions & { unwritable?: Unwritable } = {},
  ) {
    this.#sqlite = unwritable?.sqlite ?? new DatabaseSync(path);
    this.#unwritable = unwritable;
    this.#makeRoom = makeRoom;
    this.#sqlite.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    // The first statement that reads the file makes the log's index, for which there may be no room.
    this.#checkpoints = this.#explained(() => new Checkpoints(this.#sqlite, path, options));
    this.#begin = this.#sqlite.prepare("BEGIN IMMEDIATE");
    this.#commit = this.#sqlite.prepare("COMMIT");
    this.#rollback = this.#sqlite.prepare("ROLLBACK");
    this.#beginPart = this.#sqlite.prepare("SAVEPOINT part");
    this.#endPart = this.#sqlite.prepare("RELEASE part");
    this.#rollbackPart = this.#sqlite.prepare("ROLLBACK TO part");
    this.#version = this.#sqlite.prepare("PRAGMA data_version");
  }

  /** False if `write` and `writeSoon` throw `UnavailableError`. */
  get isWritable(): boolean {
    return this.#unwritable === undefined;
  }

  prepare(sql: string): StatementSync {
    return this.#explained(() => this.#sqlite.prepare(sql));
  }

  /** Executes one or more statements without parameters. */
  exec(sql: string): void {
    this.run(() => this.#sqlite.exec(sql));
  }

  /** Runs statements that change nothing, or a single one that does. */
  run<T>(work: () => T): T {
    try {
      return this.#explained(work);
    } finally {
      // Before an error too: a file that changes while it is read looks damaged.
      this.#unwritable?.check();
    }
  }

  /**
   * Runs `work` in one transaction that holds the write lock from the start; an error rolls it back. After
   * the commit nothing throws: the caller would take it for a rollback.
   */
  write<T>(work: () => T): T {
    this.#unwritable?.refuse();
    const result = this.#explained(() => this.#transaction(work));
    if (++this.#writes % LOOK_EVERY === 0) this.#checkpoints?.look();
    return result;
  }

  /**
   * Like `write`, in one transaction with the other writes that arrive at this moment. An error of `work`
   * undoes it alone. `work` may be called twice, the first time undone.
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
    this.#checkpoints?.empty(room);
  }

  /**
   * Does the waiting writes. The last connection that closes copies the log, so it waits for the thread's.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#queue.flush();
    await this.#checkpoints?.[Symbol.asyncDispose]();
    this.#queue.flush();
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

  #part(work: () => unknown): Part {
    this.#beginPart.run();
    try {
      const result = work();
      this.#endPart.run();
      return { result };
    } catch (error) {
      try {
        this.#rollbackPart.run();
        this.#endPart.run();
      } catch {
        // SQLite has ended the whole transaction.
        throw error;
      }
      return { error: explain(error), isFull: isFull(error) };
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
  options: CheckpointOptions = {},
): Promise<Database> {
  const { logBytes = LOG_BYTES } = options;
  const database = new Database(path, makeRoom, options);
  try {
    // Must be set before the first table is created: lets removed data return its space to the disk.
    database.exec("PRAGMA auto_vacuum = INCREMENTAL");
    await useWriteAheadLog(database);
    // NORMAL: a killed process loses nothing, since every commit is with the operating system before it
    // returns. Only a power cut could lose the last commits, and it ends the containers they describe too.
    // `write` checkpoints the log: SQLite's own checkpoint would start on a full disk and use up the last
    // space. The limit, to which a log that is used again is cut, is near the size that triggers a
    // checkpoint: to cut off much takes as long as many writes.
    database.exec(
      `PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = ${
        logBytes - logBytes / 16
      }`,
    );
    // Else what a large write may have to undo would lie in a file in TMPDIR, which a killed process can
    // leave.
    database.exec("PRAGMA temp_store = MEMORY");
    return database;
  } catch (error) {
    await database[Symbol.asyncDispose]();
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
/** Number of writes between checks of the log's size: a check costs up to a tenth of a write. */
const LOOK_EVERY = 16;
