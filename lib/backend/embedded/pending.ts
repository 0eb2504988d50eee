import type { StatementSync } from "node:sqlite";
import type { Consumer } from "./consumers.ts";
import type { Database } from "./database.ts";

/** A message that a consumer has not settled, and how often it has been delivered to it. */
export interface Pending {
  readonly seq: number;
  readonly deliveries: number;
}

/**
 * The unsettled messages of each consumer, in the database. Call outside of transactions unless stated
 * otherwise.
 */
export class PendingTable {
  readonly #database: Database;
  readonly #insert: StatementSync;
  readonly #repeated: StatementSync;
  readonly #fresh: StatementSync;
  readonly #hold: StatementSync;
  readonly #release: StatementSync;
  readonly #remove: StatementSync;
  readonly #nextDue: StatementSync;
  readonly #any: StatementSync;

  constructor(database: Database) {
    this.#database = database;
    this.#insert = database.prepare(
      "INSERT INTO pending (consumer, seq, deliveries, due, held) VALUES (?, ?, 0, 0, 0)",
    );
    this.#repeated = database.prepare(
      `SELECT seq, deliveries FROM pending WHERE consumer = ? AND due BETWEEN 1 AND ?
       ORDER BY due, seq LIMIT 1`,
    );
    this.#fresh = database.prepare(
      "SELECT seq, deliveries FROM pending WHERE consumer = ? AND due = 0 ORDER BY seq LIMIT 1",
    );
    this.#hold = database.prepare(
      "UPDATE pending SET deliveries = ?, due = ?, held = 1 WHERE consumer = ? AND seq = ?",
    );
    this.#release = database.prepare("UPDATE pending SET due = ?, held = 0 WHERE consumer = ? AND seq = ?");
    this.#remove = database.prepare("DELETE FROM pending WHERE consumer = ? AND seq = ?");
    this.#any = database.prepare("SELECT 1 FROM pending WHERE consumer = ? LIMIT 1");
    this.#nextDue = database.prepare("SELECT min(due) AS due FROM pending WHERE consumer = ? AND due > 0");
  }

  /** Call within a transaction. */
  add(consumer: Consumer, seq: number): void {
    this.#insert.run(consumer.id, seq);
  }

  /** Returns the next message to deliver: redeliveries first, by due time, then new ones in order. */
  next(consumer: Consumer, now: number): Pending | undefined {
    const row = this.#database.run(() =>
      this.#repeated.get(consumer.id, now) ?? this.#fresh.get(consumer.id)
    );
    return row && { seq: Number(row["seq"]), deliveries: Number(row["deliveries"]) };
  }

  /** Records a delivery or a heartbeat: the message is not delivered again before `until`. */
  hold(consumer: Consumer, { seq, deliveries }: Pending, until: number): void {
    this.#database.run(() => this.#hold.run(deliveries, until, consumer.id, seq));
  }

  /** Schedules a redelivery at `at`. */
  release(consumer: Consumer, seq: number, at: number): void {
    this.#database.run(() => this.#release.run(at, consumer.id, seq));
  }

  /** Call within a transaction. */
  remove(consumer: Consumer, seq: number): void {
    this.#remove.run(consumer.id, seq);
  }

  hasAny(consumer: Consumer): boolean {
    return this.#database.run(() => this.#any.get(consumer.id)) !== undefined;
  }

  /** Returns the earliest time of a redelivery; Infinity if there is none. */
  nextDue(consumer: Consumer): number {
    const due = this.#database.run(() => this.#nextDue.get(consumer.id)?.["due"]);
    return typeof due === "number" ? due : Infinity;
  }
}

/** A due time further away than this was set before the machine's clock was turned back, milliseconds. */
const LONGEST_PUT_OFF_MS = 600_000;

/**
 * Makes messages due at once if their due time is more than `LONGEST_PUT_OFF_MS` away. They would wait until
 * the clock reaches that time again.
 */
export function releaseAstray(database: Database, scope: number, now: number): void {
  const release = database.prepare(
    `UPDATE pending SET due = 1
     WHERE due > ? AND consumer IN (SELECT id FROM consumers WHERE scope = ?)`,
  );
  database.run(() => release.run(now + LONGEST_PUT_OFF_MS, scope));
}

/**
 * Releases all held messages of a scope. If `died` (their process is gone), they are due at once; otherwise
 * after their ack wait, because they may still be worked on.
 */
export function releaseHeld(database: Database, scope: number, { died }: { died: boolean }): void {
  const due = died ? "1" : "due";
  const release = database.prepare(
    `UPDATE pending SET held = 0, due = ${due}
     WHERE held = 1 AND consumer IN (SELECT id FROM consumers WHERE scope = ?)`,
  );
  database.run(() => release.run(scope));
}
