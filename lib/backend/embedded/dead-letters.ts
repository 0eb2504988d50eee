import type { StatementSync } from "node:sqlite";
import type { Clock } from "../../base/clock.ts";
import { processLog } from "../../base/log.ts";
import type { Consumer } from "./consumers.ts";
import type { Database } from "./database.ts";
import type { StoredMessage } from "./messages.ts";

/** The last messages that could not be handled, with the reason, for inspection in the database. */
export class DeadLetters {
  readonly #scope: string;
  readonly #clock: Clock;
  readonly #insert: StatementSync;
  readonly #limit: StatementSync;

  constructor(database: Database, scope: string, clock: Clock) {
    this.#scope = scope;
    this.#clock = clock;
    this.#insert = database.prepare(
      `INSERT INTO dead_letters (scope, stream, consumer, at, reason, subject, id, headers, data)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#limit = database.prepare("DELETE FROM dead_letters WHERE seq <= ?");
  }

  /** Call within a transaction. */
  add({ stream, name }: Consumer, { subject, id, headers, data }: StoredMessage, reason: string): void {
    const { lastInsertRowid } = this.#insert.run(
      this.#scope,
      stream,
      name,
      this.#clock(),
      reason,
      subject,
      id ?? null,
      JSON.stringify(headers),
      data,
    );
    this.#limit.run(Number(lastInsertRowid) - KEPT);
    processLog("backend").warn("Message {id} on {subject} can never be handled: {reason}", {
      id,
      subject,
      reason,
    });
  }
}

const KEPT = 1000;

/** Returns the number of kept messages of all scopes. */
export const countDeadLetters = (database: Database): number =>
  Number(
    database.run(() => database.prepare("SELECT count(*) AS count FROM dead_letters").get())?.["count"],
  );
