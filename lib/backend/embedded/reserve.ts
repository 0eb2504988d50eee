import { closeSync, ftruncateSync, openSync, statfsSync, statSync, writeSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { dirname } from "node:path";
import { Retryable } from "../../base/errors.ts";
import { WAL_BYTES } from "./database.ts";
import { isFull } from "./explain.ts";

/**
 * Room set aside in the data folder: a file that is given up when the disk is full, so that a run which fails for that can
 * still be recorded, and ended in an orderly way. While it is not whole, nothing of weight (logs, artifacts) is stored.
 */
export class Reserve {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * To be called before anything of weight is stored: makes the reserve whole, or throws `Retryable` where there is no room.
   * `reclaim` gives back what can be given back to the disk.
   */
  guard(reclaim: () => void): void {
    if (this.#fill()) return;
    reclaim();
    if (this.#fill()) return;
    throw new Retryable("Cannot write to the data folder: no space left but what is set aside", {
      reason: "disk-full",
    });
  }

  /** Gives it up. False where nothing was left of it. */
  spend(): boolean {
    if (this.#size() === 0) return false;
    closeSync(openSync(this.#path, "w", 0o600));
    return true;
  }

  #fill(): boolean {
    const missing = RESERVE_BYTES - this.#size();
    if (missing <= 0) return true;
    const { bavail, bsize } = statfsSync(dirname(this.#path));
    return bavail * bsize > missing + SLACK_BYTES && this.#write();
  }

  #size(): number {
    return statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
  }

  #write(): boolean {
    const file = openSync(this.#path, "w", 0o600);
    try {
      // No zeros: some file systems keep them in no room at all.
      const bytes = randomBytes(1024 * 1024);
      for (let size = 0; size < RESERVE_BYTES;) size += writeSync(file, bytes);
      return true;
    } catch (error) {
      ftruncateSync(file);
      if (isFull(error)) return false;
      throw error;
    } finally {
      closeSync(file);
    }
  }
}

/** The log, which then has to become part of the database, and room for the records of the runs that end. */
const RESERVE_BYTES = WAL_BYTES + 4 * 1024 * 1024;
const SLACK_BYTES = 1024 * 1024;
