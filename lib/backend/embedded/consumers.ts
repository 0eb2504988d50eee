import { parseOwnJson } from "../../base/json.ts";
import type { StatementSync } from "node:sqlite";
import { matches, type StreamName, STREAMS } from "../../wire/subjects.ts";
import { checkConsumer, withoutCovered } from "../shared/checks.ts";
import type { ConsumerSpec } from "../transport.ts";
import { Notifier } from "./notifier.ts";
import type { Database } from "./database.ts";

/** A durable consumer of this scope: its database row, and state of this process only. */
export interface Consumer {
  readonly id: number;
  readonly stream: StreamName;
  readonly name: string;
  filters: readonly string[];
  ackWaitMs: number;
  /** Notified when there is something to deliver, or the next due time becomes earlier. */
  readonly notifier: Notifier;
  /** Number of iterators in this process that wait for the next message. */
  asking: number;
  /** The last delivery of each message, by message number: only that one may settle the message. */
  readonly inHand: Map<number, object>;
}

/**
 * The scope's consumers. All are also kept in memory, because only this process changes them: finding an
 * existing one needs no query.
 */
export class Consumers {
  readonly #database: Database;
  readonly #scope: number;
  readonly #all: Consumer[];
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  /** Statements that select a stream's backlog for a new consumer (`messages` keeps none). */
  readonly #inStore: Partial<Record<StreamName, StatementSync>>;
  readonly #adopt: StatementSync;

  constructor(database: Database, scope: number) {
    this.#database = database;
    this.#scope = scope;
    this.#insert = database.prepare(
      "INSERT INTO consumers (scope, stream, name, filters, ack_wait) VALUES (?, ?, ?, ?, ?)",
    );
    this.#update = database.prepare("UPDATE consumers SET filters = ?, ack_wait = ? WHERE id = ?");
    this.#adopt = database.prepare(
      "INSERT OR IGNORE INTO pending (consumer, seq, deliveries, due, held) VALUES (?, ?, 0, 0, 0)",
    );
    this.#inStore = {
      "pipeline-engine": database.prepare(
        `SELECT seq, subject FROM messages WHERE scope = ?1 AND stream = 'pipeline-engine' AND wanted > 0
         AND seq NOT IN (SELECT seq FROM pending WHERE consumer IN
           (SELECT id FROM consumers WHERE scope = ?1 AND stream = 'pipeline-engine'))`,
      ),
      "logs-engine": database.prepare("SELECT seq, 'logs.' || run AS subject FROM logs WHERE ?1 IS NOT NULL"),
    };
    const rows = database.run(() => database.prepare("SELECT * FROM consumers WHERE scope = ?").all(scope));
    this.#all = rows.map((row) => ({
      id: Number(row["id"]),
      stream: String(row["stream"]) as StreamName,
      name: String(row["name"]),
      filters: parseOwnJson(String(row["filters"])),
      ackWaitMs: Number(row["ack_wait"]),
      notifier: new Notifier(),
      asking: 0,
      inHand: new Map(),
    }));
  }

  /** Returns the consumer, created or widened to match the spec. */
  ensure(spec: ConsumerSpec): Consumer {
    checkConsumer(spec);
    const found = this.#all.find(({ stream, name }) => stream === spec.stream && name === spec.name);
    if (!found) return this.#make(spec);
    this.#widen(found, spec);
    return found;
  }

  /** Returns the consumers that get a message on `subject`; only the first one for a work queue. */
  wanting(stream: StreamName, subject: string): Consumer[] {
    const wanting = this.#all.filter((consumer) => consumer.stream === stream && wants(consumer, subject));
    return STREAMS[stream].retention === "workqueue" ? wanting.slice(0, 1) : wanting;
  }

  #make({ stream, name, filters: given, ackWaitMs }: ConsumerSpec): Consumer {
    const filters = withoutCovered(given);
    const consumer = this.#database.write(() => {
      const { lastInsertRowid } = this.#insert.run(
        this.#scope,
        stream,
        name,
        JSON.stringify(filters),
        ackWaitMs,
      );
      const id = Number(lastInsertRowid);
      this.#adoptInStore(id, stream, (subject) => wants({ filters }, subject));
      return {
        ...{ id, stream, name, filters, ackWaitMs },
        ...{ notifier: new Notifier(), asking: 0, inHand: new Map<number, object>() },
      };
    });
    this.#all.push(consumer);
    return consumer;
  }

  #widen(consumer: Consumer, spec: ConsumerSpec): void {
    const ackWaitMs = Math.max(consumer.ackWaitMs, spec.ackWaitMs);
    const added = spec.filters.filter((filter) => !consumer.filters.includes(filter));
    if (added.length === 0 && ackWaitMs === consumer.ackWaitMs) return;
    const filters = withoutCovered([...consumer.filters, ...added]);
    this.#database.write(() => {
      this.#update.run(JSON.stringify(filters), ackWaitMs, consumer.id);
      if (added.length === 0) return;
      const isNew = (subject: string) => wants({ filters }, subject) && !wants(consumer, subject);
      this.#adoptInStore(consumer.id, consumer.stream, isNew);
    });
    consumer.filters = filters;
    consumer.ackWaitMs = ackWaitMs;
    consumer.notifier.notify();
  }

  #adoptInStore(id: number, stream: StreamName, isWanted: (subject: string) => boolean): void {
    for (const { seq, subject } of this.#inStore[stream]?.all(this.#scope) ?? []) {
      if (isWanted(String(subject))) this.#adopt.run(id, Number(seq));
    }
  }
}

function wants({ filters }: { filters: readonly string[] }, subject: string): boolean {
  return filters.some((filter) => matches(filter, subject));
}
