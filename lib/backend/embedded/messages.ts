import type { StatementSync } from "node:sqlite";
import type { Clock } from "../../base/clock.ts";
import type { StreamName } from "../../wire/subjects.ts";
import { DEDUPE_WINDOW_MS } from "../transport.ts";
import { parseJson } from "../../base/json.ts";
import type { Database } from "./database.ts";
import { isUnreadable, type Place, UnreadableError } from "./set-aside.ts";

/** A message as it was published. */
export interface StoredMessage {
  readonly subject: string;
  readonly id: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly data: Uint8Array;
}

/** Storage of a stream's messages. */
export interface MessageSource {
  /** Returns the message, or undefined if it has been removed. */
  load(seq: number): StoredMessage | undefined;
  /** Returns the message's place, for setting it aside if it cannot be read. */
  place(seq: number): Place;
  /** Records that one consumer has acked or termed the message. Call within a transaction. */
  done(seq: number): void;
}

/** The messages of a scope in `messages` and `pipeline-engine`, and their ids. */
export class MessageTable implements MessageSource {
  readonly #database: Database;
  readonly #scope: number;
  readonly #clock: Clock;
  readonly #known: StatementSync;
  readonly #insert: StatementSync;
  readonly #load: StatementSync;
  readonly #done: StatementSync;
  readonly #empty: StatementSync;
  readonly #delete: StatementSync;
  readonly #forget: StatementSync;
  readonly #held: StatementSync;
  readonly #copy: StatementSync;
  readonly #unwant: StatementSync;
  #forgetAt = 0;

  constructor(database: Database, scope: number, clock: Clock) {
    this.#database = database;
    this.#scope = scope;
    this.#clock = clock;
    this.#known = database.prepare(
      "SELECT 1 FROM messages WHERE scope = ? AND stream = ? AND id = ? AND at > ? LIMIT 1",
    );
    this.#insert = database.prepare(
      `INSERT INTO messages (scope, stream, id, at, wanted, subject, headers, data)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#load = database.prepare("SELECT subject, id, headers, data FROM messages WHERE seq = ?");
    this.#done = database.prepare(
      "UPDATE messages SET wanted = wanted - 1 WHERE seq = ? RETURNING wanted, id IS NULL AS nameless",
    );
    this.#empty = database.prepare("UPDATE messages SET data = x'', headers = '{}' WHERE seq = ?");
    this.#delete = database.prepare("DELETE FROM messages WHERE seq = ?");
    this.#forget = database.prepare("DELETE FROM messages WHERE scope = ? AND wanted = 0 AND at <= ?");
    this.#copy = database.prepare(
      `INSERT OR REPLACE INTO set_aside (kind, at, why, key, value)
       SELECT ?1, ?2, ?3, ?4, data FROM messages WHERE seq = CAST(?4 AS INTEGER)`,
    );
    this.#unwant = database.prepare(
      "UPDATE messages SET wanted = 0, data = x'', headers = '{}' WHERE seq = CAST(? AS INTEGER)",
    );
    this.#held = database.prepare(
      "SELECT 1 FROM messages WHERE scope = ? AND stream = ? AND id = ? AND wanted > 0 LIMIT 1",
    );
  }

  /** True if the stream had a message with this id within the deduplication window. */
  knows(stream: StreamName, id: string): boolean {
    const since = this.#clock() - DEDUPE_WINDOW_MS;
    return this.#known.get(this.#scope, stream, id, since) !== undefined;
  }

  /**
   * Stores a message for `wanted` consumers and returns its number; if `wanted` is 0, only the id is stored.
   * Call within a transaction.
   */
  insert(stream: StreamName, { subject, id, headers, data }: StoredMessage, wanted: number): number {
    const now = this.#clock();
    this.#forgetOld(now);
    if (wanted === 0 && id === undefined) return 0;
    const keep = wanted > 0;
    const { lastInsertRowid } = this.#insert.run(
      this.#scope,
      stream,
      id ?? null,
      now,
      wanted,
      subject,
      keep ? JSON.stringify(headers) : "{}",
      keep ? data : NOTHING,
    );
    return Number(lastInsertRowid);
  }

  load(seq: number): StoredMessage | undefined {
    const row = this.#database.run(() => this.#load.get(seq));
    return row && {
      subject: String(row["subject"]),
      id: row["id"] === null ? undefined : String(row["id"]),
      headers: headersOf(row["headers"]),
      data: row["data"] as Uint8Array,
    };
  }

  place(seq: number): Place {
    return { kind: "message", key: String(seq), copy: this.#copy, remove: this.#unwant };
  }

  done(seq: number): void {
    const row = this.#done.get(seq);
    if (row?.["wanted"] !== 0) return;
    if (row["nameless"]) this.#delete.run(seq);
    else this.#empty.run(seq);
  }

  /** True while a consumer has not acked or termed the message; false for an unreadable one. */
  holds(stream: StreamName, id: string): boolean {
    try {
      return this.#database.run(() => this.#held.get(this.#scope, stream, id)) !== undefined;
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      return false;
    }
  }

  #forgetOld(now: number): void {
    if (now < this.#forgetAt) return;
    this.#forget.run(this.#scope, now - DEDUPE_WINDOW_MS);
    this.#forgetAt = now + FORGET_EVERY_MS;
  }
}

/** Parses stored headers. Throws `SyntaxError`, `UnreadableError`. */
export function headersOf(text: unknown): Record<string, string> {
  const value = parseJson(String(text));
  if (typeof value !== "object" || value === null) throw new UnreadableError("its headers are no object");
  return value as Record<string, string>;
}

const NOTHING = new Uint8Array();
const FORGET_EVERY_MS = 10_000;
