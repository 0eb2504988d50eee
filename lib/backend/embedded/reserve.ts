import { closeSync, constants, ftruncateSync, openSync, writeSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { dirname } from "node:path";
import { Retryable, UnavailableError } from "../../base/errors.ts";
import { formatSize } from "../../base/units.ts";
import { freeBytes, sizeOf } from "./disk.ts";
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

  /** Throws UnavailableError where the disk has no room for the reserve, so that nothing begins which could not be recorded. */
  check(): void {
    const missing = this.#missing();
    const free = freeBytes(this.#path);
    if (missing === 0 || free > missing + SLACK_BYTES) return;
    throw new UnavailableError(
      `Cannot use "${dirname(this.#path)}" as data folder: its disk has ${formatSize(free)} left, expected ${
        formatSize(missing + SLACK_BYTES)
      } at least`,
      { hint: "Make room there, or name another data folder with --data." },
    );
  }

  /**
   * To be called before anything of weight is stored: makes the reserve whole, or throws `Retryable` where there is no room.
   * `reclaim` gives back to the disk what can be given back, with so many bytes to do it in.
   */
  guard(reclaim: (room: number) => void): void {
    if (this.#fill()) return;
    reclaim(freeBytes(this.#path));
    if (this.#fill()) return;
    throw new Retryable("Cannot write to the data folder: no space left but what is set aside", {
      reason: "disk-full",
    });
  }

  /** Gives it up, and answers how many bytes it had. */
  spend(): number {
    const size = sizeOf(this.#path);
    if (size > 0) closeSync(openSync(this.#path, TRUNCATE, 0o600));
    return size;
  }

  #fill(): boolean {
    const missing = this.#missing();
    return missing === 0 || (freeBytes(this.#path) > missing + SLACK_BYTES && this.#write());
  }

  #missing(): number {
    return Math.max(0, RESERVE_BYTES - sizeOf(this.#path));
  }

  #write(): boolean {
    const file = openSync(this.#path, TRUNCATE, 0o600);
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

/** Some hundred records of runs, with what they cost in the database's log. */
const RESERVE_BYTES = 20 * 1024 * 1024;
/** As "w", but never through a symbolic link. */
const TRUNCATE = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
const SLACK_BYTES = 1024 * 1024;
