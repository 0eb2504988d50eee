import type { DatabaseSync, StatementSync } from "node:sqlite";
import { messageOf } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { Checkpointer, type StartThread } from "./checkpointer.ts";
import { freeBytes, sizeOf } from "./disk.ts";
import { RESERVE_BYTES } from "./reserve.ts";

export interface CheckpointOptions {
  /** Size of the log that triggers a checkpoint, bytes. */
  readonly logBytes?: number;
  /** Returns the bytes that are available on a file's disk. */
  readonly freeOn?: (path: string) => number;
  /** Starts the thread that copies the log. */
  readonly startThread?: StartThread;
}

/** Copies a database's write-ahead log into the database, so that the log can be used again. */
export class Checkpoints implements AsyncDisposable {
  readonly #path: string;
  readonly #logPath: string;
  readonly #logBytes: number;
  readonly #freeOn: (path: string) => number;
  readonly #thread: Checkpointer;
  readonly #pageCount: StatementSync;
  readonly #passive: StatementSync;
  readonly #truncate: StatementSync;
  /** The log's size at which the next checkpoint starts. */
  #copyAt: number;

  constructor(sqlite: DatabaseSync, path: string, options: CheckpointOptions = {}) {
    const { logBytes = LOG_BYTES, freeOn = freeBytes, startThread } = options;
    this.#path = path;
    this.#logPath = `${path}-wal`;
    this.#logBytes = logBytes;
    this.#copyAt = logBytes;
    this.#freeOn = freeOn;
    this.#thread = new Checkpointer(path, { copied: () => this.#finish(), startThread });
    this.#pageCount = sqlite.prepare("PRAGMA page_count");
    // PASSIVE does not wait for other connections and lets the log be used again; TRUNCATE also empties its
    // file.
    this.#passive = sqlite.prepare("PRAGMA wal_checkpoint(PASSIVE)");
    this.#truncate = sqlite.prepare("PRAGMA wal_checkpoint(TRUNCATE)");
  }

  /**
   * Has a large log copied in the background, or here and now if that does not keep up. Never throws: the
   * write that it follows is stored.
   */
  look(): void {
    try {
      this.#look();
    } catch (error) {
      processLog("backend").debug("Cannot look at the database's log: {error}", { error: messageOf(error) });
    }
  }

  /**
   * Returns the space of the log to the disk, if that needs fewer than `room` bytes. SQLite refuses a
   * checkpoint at once while another one runs, so this waits for its end, a few seconds at most.
   */
  empty(room: number): void {
    const deadline = performance.now() + MOST_WAIT_MS;
    while (this.#copy(this.#truncate, room) === "busy" && performance.now() < deadline) pause(PAUSE_MS);
  }

  /** Waits for the end of a checkpoint in the thread, a few seconds at most. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread[Symbol.asyncDispose]();
  }

  #look(): void {
    const size = sizeOf(this.#logPath);
    if (size < this.#logBytes) this.#copyAt = this.#logBytes;
    // Two checkpoints at once would be in each other's way.
    if (size < this.#copyAt || this.#thread.isRunning) return;
    const room = this.#freeOn(this.#path);
    const growth = this.#growth();
    if (growth >= room) return;
    this.#copyAt = size + this.#logBytes / 4;
    const isBehind = size >= this.#logBytes * MOST_BEHIND;
    // While the thread copies, others may take the room that the copy needs; here nobody of us can.
    const isTight = growth + RESERVE_BYTES >= room;
    if (isBehind || isTight || !this.#thread.start()) this.#copy(this.#passive, room);
  }

  /**
   * Copies the little that was written during the thread's last pass: SQLite uses a log again only if all of
   * it is copied.
   */
  #finish(): void {
    try {
      this.#copy(this.#passive, this.#freeOn(this.#path));
    } catch (error) {
      processLog("backend").debug("Cannot finish a checkpoint: {error}", { error: messageOf(error) });
    }
  }

  /**
   * Runs a checkpoint. Skipped if the database could not grow enough: a partial copy would use up the space
   * for nothing. If it fails, the log keeps growing as long as there is room.
   */
  #copy(checkpoint: StatementSync, room: number): "busy" | "ended" {
    try {
      if (this.#growth() < room && Number(checkpoint.get()?.["busy"]) === 1) return "busy";
    } catch (error) {
      processLog("backend").debug("Cannot write back the log: {error}", { error: messageOf(error) });
    }
    return "ended";
  }

  /** Returns how many bytes the database file must grow to hold the log. */
  #growth(): number {
    const pages = Number(this.#pageCount.get()?.["page_count"]);
    return pages * PAGE_BYTES - sizeOf(this.#path);
  }
}

/** Blocks this thread. */
function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/**
 * Log size that triggers a checkpoint: larger than what most runs write. A checkpoint waits for the disk, for
 * seconds if builds keep it busy. The rest is copied when the last process closes the database.
 */
export const LOG_BYTES = 64 * 1024 * 1024;
/** How many times that size a log may have before a checkpoint blocks this process. */
const MOST_BEHIND = 2;
/** SQLite's default page size. */
const PAGE_BYTES = 4096;
/** How long a full disk's log waits for another checkpoint. */
const MOST_WAIT_MS = 3000;
const PAUSE_MS = 20;
