import { startInterval, stopTimer, type Timer } from "../../base/timers.ts";
import type { Database } from "./database.ts";

/** Interval of checking for changes by other processes, milliseconds. */
const LOOK_EVERY_MS = 200;

/** Detects changes of the database by other processes. SQLite sends no notifications, so it polls. */
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
      // Busy or being closed: the next check detects the change.
      return;
    }
    if (version === this.#version) return;
    this.#version = version;
    this.#changed();
  }
}
