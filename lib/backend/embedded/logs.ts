import type { StatementSync } from "node:sqlite";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../wire/messages.ts";
import { RecentMap } from "../../base/recent-map.ts";
import { type BatchFacts, factsOf } from "../shared/log-batch.ts";
import type { LogBatch, LogReader } from "../store.ts";
import { DEDUPE_WINDOW_MS } from "../transport.ts";
import { Notifiers } from "./notifier.ts";
import type { Database } from "./database.ts";
import type { Lifetime } from "./lifetime.ts";
import { headersOf, type MessageSource, type StoredMessage } from "./messages.ts";
import { isUnreadable, type Place } from "./set-aside.ts";
import { batchOf, cursorOf, dataOf, lostBatch } from "./log-rows.ts";
import { pack, type Packed } from "./pack.ts";

/** A batch that is ready to be stored. */
export interface PackedBatch extends StoredMessage, Packed {
  readonly facts: BatchFacts;
}

/** Packs a batch, so that its publisher may use the buffer again. */
export function packedBatch(message: StoredMessage): PackedBatch {
  return { ...message, facts: factsOf(message.headers, message.data), ...pack(message.data) };
}

/** The log batches of all runs and all processes: the stream `logs-engine`. */
export class LogTable implements MessageSource {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #notifiers = new Notifiers();
  readonly #hasId: StatementSync;
  readonly #held: StatementSync;
  readonly #lastLine: StatementSync;
  readonly #insert: StatementSync;
  readonly #load: StatementSync;
  readonly #before: StatementSync;
  readonly #remove: StatementSync;
  readonly #bytes: StatementSync;
  readonly #free: StatementSync;
  readonly #vacuum: StatementSync;
  readonly #keep: StatementSync;
  readonly #stay: StatementSync;
  readonly #places: StatementSync;
  /** The batches that were read last, by their number: several readers may follow one log. */
  #recent = new RecentMap<LogBatch>(RECENT);
  /** What comes after a cursor of a run, if it is little, until something is stored or removed. */
  #next = new RecentMap<LogBatch[]>(RECENT);
  /** `Database.othersVersion` at the last look. */
  #version = -1;
  readonly #one: StatementSync;

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
    this.#hasId = database.prepare("SELECT 1 FROM logs WHERE id = ? AND at > ? LIMIT 1");
    this.#held = database.prepare(
      `SELECT 1 FROM logs WHERE id = ? AND seq IN (SELECT seq FROM pending WHERE consumer IN
         (SELECT id FROM consumers WHERE scope = ? AND stream = 'logs-engine')) LIMIT 1`,
    );
    this.#lastLine = database.prepare(
      "SELECT first + lines AS next FROM logs WHERE run = ? ORDER BY seq DESC LIMIT 1",
    );
    this.#insert = database.prepare(
      `INSERT INTO logs (run, first, lines, step, attempt, id, at, headers, packed, data)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#load = database.prepare("SELECT run, id, headers, packed, data FROM logs WHERE seq = ?");
    this.#keep = database.prepare("INSERT OR IGNORE INTO set_aside (kind, at, why, key) VALUES (?, ?, ?, ?)");
    this.#stay = database.prepare("SELECT ?");
    const batch = "SELECT seq, run, first, lines, step, attempt, at, packed, data FROM logs";
    this.#places = database.prepare(
      `SELECT seq, first, at FROM logs INDEXED BY logs_by_run WHERE run = ? AND seq > ? ORDER BY seq LIMIT ${PAGE}`,
    );
    this.#one = database.prepare(`${batch} WHERE seq = ? AND run IS NOT NULL`);
    this.#before = database.prepare(`${batch} WHERE run = ? AND seq < ? ORDER BY seq DESC LIMIT ${PAGE}`);
    this.#remove = database.prepare(
      `DELETE FROM logs WHERE seq IN (SELECT seq FROM logs WHERE run = ? LIMIT ${PAGE})`,
    );
    this.#bytes = database.prepare("SELECT value FROM meta WHERE key = 'log_bytes'");
    this.#free = database.prepare("PRAGMA freelist_count");
    this.#vacuum = database.prepare(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`);
  }

  /** True if a batch had this id within the deduplication window. */
  knows(id: string): boolean {
    return this.#hasId.get(id, this.#clock() - DEDUPE_WINDOW_MS) !== undefined;
  }

  /** True while a consumer of the scope has not acked or termed the batch with this id. */
  holds(id: string, scope: number): boolean {
    return this.#database.run(() => this.#held.get(id, scope)) !== undefined;
  }

  /** Stores a batch and returns its number. Call within a transaction. */
  insert({ subject, id, headers, facts: { lines, step, attempt }, packed, data }: PackedBatch): number {
    const run = runOf(subject);
    this.#next = new RecentMap(RECENT);
    const { lastInsertRowid } = this.#insert.run(
      run,
      this.#nextLine(run),
      lines,
      step,
      attempt,
      id ?? null,
      this.#clock(),
      JSON.stringify(headers),
      packed ? 1 : 0,
      data,
    );
    return Number(lastInsertRowid);
  }

  /** Returns the size of all logs of the folder, as they are stored. */
  storedBytes(): number {
    return Number(this.#database.run(() => this.#bytes.get())?.["value"]);
  }

  /** Wakes the readers that follow this log. */
  announce(subject: string): void {
    this.#notifiers.notify(runOf(subject));
  }

  load(seq: number): StoredMessage | undefined {
    const row = this.#database.run(() => this.#load.get(seq));
    return row && {
      subject: `logs.${row["run"]}`,
      id: row["id"] === null ? undefined : String(row["id"]),
      headers: headersOf(row["headers"]),
      data: dataOf(row),
    };
  }

  /** An unreadable batch is only recorded, and stays in its table. */
  place(seq: number): Place {
    return { kind: "log batch", key: String(seq), copy: this.#keep, remove: this.#stay };
  }

  /** Does nothing: a log stays after its consumers have read it. */
  done(): void {}

  /**
   * Removes a run's log and returns its space to the disk, in short transactions that do not block other
   * processes.
   */
  async remove(run: string): Promise<void> {
    const pause = () => new Promise((resolve) => setImmediate(resolve));
    while (this.#database.run(() => this.#remove.run(run).changes) === PAGE) {
      this.#forget();
      await pause();
    }
    this.#forget();
    const free = () => this.#database.run(() => Number(this.#free.get()?.["freelist_count"]));
    for (let before = Infinity, now = free(); now > 0 && now < before; before = now, now = free()) {
      this.#database.run(() => this.#vacuum.all());
      await pause();
    }
  }

  reader(lifetime: Lifetime): LogReader {
    const read = this.#read.bind(this, lifetime);
    return {
      read,
      tail: (run, count, step) => lifetime.call(() => this.#tail(run, count, step)),
      count: (run) => lifetime.call(() => this.#database.run(() => this.#nextLine(run)) - 1),
    };
  }

  async *#read(
    lifetime: Lifetime,
    run: string,
    { after, follow = false, signal }: { after?: string; follow?: boolean; signal?: AbortSignal } = {},
  ): AsyncGenerator<LogBatch> {
    lifetime.check();
    const end = signal ? AbortSignal.any([lifetime.signal, signal]) : lifetime.signal;
    const isOver = () => end.aborted;
    let cursor = cursorOf(after);
    while (!isOver()) {
      const version = this.#database.othersVersion();
      const batches = this.#batches(run, cursor, version);
      for (const batch of batches) {
        yield batch;
        if (isOver()) return;
        cursor = Number(batch.cursor);
      }
      if (batches.length > 0) continue;
      if (!follow) return;
      await this.#news(run, version, end);
    }
  }

  /**
   * Returns at most a page of batches after `cursor`, each parsed once for all readers. An unreadable batch
   * is replaced by one line. `version`: `Database.othersVersion` at this moment.
   */
  #batches(run: string, cursor: number, version: number): LogBatch[] {
    if (version !== this.#version) this.#forget();
    this.#version = version;
    const key = `${run}/${cursor}`;
    const known = this.#next.get(key);
    if (known) return known;
    const found = this.#database.run(() => this.#places.all(run, cursor))
      .map((row) => this.#parsed(Number(row["seq"])) ?? lostBatch(run, row));
    if (found.length <= MOST_NEXT) this.#next.set(key, found);
    return found;
  }

  /** Forgets what was read: it may have been removed. */
  #forget(): void {
    this.#next = new RecentMap(RECENT);
    this.#recent = new RecentMap(RECENT);
  }

  #parsed(seq: number): LogBatch | undefined {
    const known = this.#recent.get(String(seq));
    const batch = known ?? this.#batch(seq);
    if (batch && !known) this.#recent.set(String(seq), batch);
    return batch;
  }

  #batch(seq: number): LogBatch | undefined {
    try {
      const row = this.#database.run(() => this.#one.get(seq));
      return row && batchOf(row);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      return undefined;
    }
  }

  /**
   * Resolves when there may be new batches: at once for those of this process, within the interval for those
   * of others.
   */
  async #news(run: string, version: number, signal: AbortSignal): Promise<void> {
    const isQuiet = async () => !(await this.#notifiers.wait(run, LOOK_EVERY_MS, signal));
    while (await isQuiet()) {
      if (this.#database.othersVersion() !== version) return;
    }
  }

  #nextLine(run: string): number {
    return Number(this.#lastLine.get(run)?.["next"] ?? 1);
  }

  #tail(run: string, count: number, step: string | undefined): Log[] {
    const tail: Log[][] = [];
    let missing = count;
    let before = Number.MAX_SAFE_INTEGER;
    while (missing > 0) {
      const rows = this.#database.run(() => this.#before.all(run, before));
      for (const row of rows) {
        before = Number(row["seq"]);
        if (missing === 0) break;
        if (step !== undefined && row["step"] !== step) continue;
        const lines = batchOf(row).lines.slice(-missing);
        tail.push([...lines]);
        missing -= lines.length;
      }
      if (rows.length < PAGE) break;
    }
    return tail.reverse().flat();
  }
}

/** Batches read or removed at once: usually about a megabyte of text. */
const PAGE = 16;
const VACUUM_PAGES = 64;
/** Parsed batches kept for further readers: of several runs, and each for a moment only. */
const RECENT = 16;
/** Most batches that are remembered as what comes after a cursor. */
const MOST_NEXT = 2;
/** How often a reader checks for batches stored by other processes, milliseconds. */
const LOOK_EVERY_MS = 100;

const runOf = (subject: string) => subject.slice("logs.".length);
