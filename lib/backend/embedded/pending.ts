import type { StatementSync } from "node:sqlite";
import type { Consumer } from "./consumers.ts";
import type { Database } from "./database.ts";

/** A message that a consumer has still to be done with, and how often it has been delivered before. */
export interface Pending {
  readonly seq: number;
  readonly deliveries: number;
}

/** What each consumer still has to do, in the database. Whoever calls holds no transaction, except where it says so. */
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

  /** Within a transaction. */
  add(consumer: Consumer, seq: number): void {
    this.#insert.run(consumer.id, seq);
  }

  /** What is to be delivered next: what comes back before what is new, each in its order. */
  next(consumer: Consumer, now: number): Pending | undefined {
    const row = this.#database.run(() =>
      this.#repeated.get(consumer.id, now) ?? this.#fresh.get(consumer.id)
    );
    return row && { seq: Number(row["seq"]), deliveries: Number(row["deliveries"]) };
  }

  /** Notes a delivery, or that it is still being worked on: nobody else gets it before `until`. */
  hold(consumer: Consumer, { seq, deliveries }: Pending, until: number): void {
    this.#database.run(() => this.#hold.run(deliveries, until, consumer.id, seq));
  }

  /** To be delivered again from `at` on. */
  release(consumer: Consumer, seq: number, at: number): void {
    this.#database.run(() => this.#release.run(at, consumer.id, seq));
  }

  /** Within a transaction. */
  remove(consumer: Consumer, seq: number): void {
    this.#remove.run(consumer.id, seq);
  }

  hasAny(consumer: Consumer): boolean {
    return this.#database.run(() => this.#any.get(consumer.id)) !== undefined;
  }

  /** When something comes back at the earliest; Infinity where there is nothing that could. */
  nextDue(consumer: Consumer): number {
    const due = this.#database.run(() => this.#nextDue.get(consumer.id)?.["due"]);
    return typeof due === "number" ? due : Infinity;
  }
}

/** What was put off further than this was so before the machine's clock was set back, and comes back at once. */
const LONGEST_PUT_OFF_MS = 600_000;

/** Brings back what would otherwise come back when the machine's clock is where it was in an earlier process. */
export function releaseAstray(database: Database, scope: number, now: number): void {
  const release = database.prepare(
    `UPDATE pending SET due = 1
     WHERE due > ? AND consumer IN (SELECT id FROM consumers WHERE scope = ?)`,
  );
  database.run(() => release.run(now + LONGEST_PUT_OFF_MS, scope));
}

/**
 * Lets go of what is held in a scope. `died`: by a process that is gone, so that it comes back at once; else after its ack
 * wait, since whoever has it in hand may still be at it.
 */
export function releaseHeld(database: Database, scope: number, { died }: { died: boolean }): void {
  const due = died ? "1" : "due";
  const release = database.prepare(
    `UPDATE pending SET held = 0, due = ${due}
     WHERE held = 1 AND consumer IN (SELECT id FROM consumers WHERE scope = ?)`,
  );
  database.run(() => release.run(scope));
}
