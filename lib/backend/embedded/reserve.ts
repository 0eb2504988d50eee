import { closeSync, constants, ftruncateSync, openSync, writeSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { dirname } from "node:path";
import { Retryable, UnavailableError } from "../../base/errors.ts";
import { formatSize } from "../../base/units.ts";
import { freeBytes, sizeOf } from "./disk.ts";
import { isFull } from "./explain.ts";

/**
 * Disk space reserved in the data folder: a file that is truncated when the disk is full, so that a run which
 * fails for that reason can still be recorded and ended in an orderly way. While it is incomplete, no logs
 * and artifacts are stored.
 */
export class Reserve {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Throws `UnavailableError` if the disk has no room for the reserve, so that no work starts that could not
   * be recorded.
   */
  check(): void {
    const why = this.whyTooLittle();
    if (why) throw why;
  }

  /** Returns the error of `check`; undefined if there is room. */
  whyTooLittle(): UnavailableError | undefined {
    const missing = this.#missing();
    const free = freeBytes(this.#path);
    if (missing === 0 || free > missing + SLACK_BYTES) return undefined;
    return new UnavailableError(
      `Cannot use "${dirname(this.#path)}" as data folder: its disk has ${formatSize(free)} left, expected ${
        formatSize(missing + SLACK_BYTES)
      } at least`,
      { hint: "Make room there, or name another data folder with --data." },
    );
  }

  /**
   * Call before storing logs or artifacts: fills the reserve, or throws `Retryable` if there is no room.
   * `reclaim` frees disk space; its argument is the space available for that, bytes.
   */
  guard(reclaim: (room: number) => void): void {
    if (this.#fill()) return;
    reclaim(freeBytes(this.#path));
    if (this.#fill()) return;
    throw new Retryable("Cannot write to the data folder: no space left but what is set aside", {
      reason: "disk-full",
    });
  }

  /** Truncates the file and returns how many bytes it had. */
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
      // Random bytes, since some file systems allocate nothing for zeros.
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

/** Enough for about a hundred run records, including the database's log. */
export const RESERVE_BYTES = 20 * 1024 * 1024;
/** As "w", but does not follow symbolic links. */
const TRUNCATE = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
const SLACK_BYTES = 1024 * 1024;
