import { startInterval, stopTimer, type Timer } from "../../base/timers.ts";
import type { Database } from "./database.ts";

/** How often to look whether another process has changed something, milliseconds. */
const LOOK_EVERY_MS = 200;

/** Notices that another process has changed the database. SQLite tells nobody, so it looks. */
export class OthersWatch {
  readonly #database: Database;
  readonly #changed: () => void;
  #timer: Timer | undefined;
  #version = 0;

  constructor(database: Database, changed: () => void) {
    this.#database = database;
    this.#changed = changed;
  }

  start(): void {
    if (this.#timer) return;
    this.#version = this.#database.othersVersion();
    this.#timer = startInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  stop(): void {
    stopTimer(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    let version: number;
    try {
      version = this.#database.othersVersion();
    } catch {
      // Busy, or just being closed: the next look tells.
      return;
    }
    if (version === this.#version) return;
    this.#version = version;
    this.#changed();
  }
}
