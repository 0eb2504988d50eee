import type { Log } from "../wire/messages.ts";
import type { Reason } from "../wire/reasons.ts";
import type { Pipeline } from "../wire/resource.ts";
import type { OutboxMessage, Run } from "../wire/run.ts";
import type { StoredDefinition, StoredResource } from "../wire/stored.ts";

/** A value and its revision, which a change must name. */
export interface Versioned<T> {
  readonly value: T;
  /** Changes with every change of this key; compare only for equality. */
  readonly revision: number;
}

/**
 * The value was changed since it was read (or exists, or no longer exists). Read it again and decide anew.
 */
export class ConflictError extends Error {
  override readonly name = "ConflictError";
}

/** Values by key. Every change is a compare-and-set and is durable when the promise resolves. */
export interface Table<T> {
  get(key: string): Promise<Versioned<T> | undefined>;
  /**
   * Writes the value if the key is still at `revision` (0: does not exist). Returns the new revision. Throws
   * `ConflictError`.
   */
  put(key: string, value: T, revision: number): Promise<number>;
  /** Removes the key if it is still at `revision`. Throws `ConflictError`. */
  delete(key: string, revision: number): Promise<void>;
  /** Returns at most `limit` (default 100) entries after the key `after`, ordered by key. */
  list(options?: { after?: string; limit?: number }): Promise<{ key: string; value: T }[]>;
}

/** A change of one value. Without `value` it is removed; without `revision` the change is unconditional. */
export interface Change<T> {
  readonly key: string;
  readonly value?: T;
  /** 0: does not exist. */
  readonly revision?: number;
}

/** Changes of resources that belong to a new run. */
export interface ResourceChanges {
  readonly resources: readonly Change<StoredResource>[];
  readonly versions: readonly Change<StoredResource>[];
}

/**
 * Stores a run at `revision` (0: does not exist), changes of resources if given, and publishes a message: all
 * of it, or nothing. Returns the run's new revision. Only a backend whose transport and store share one
 * database has this. Throws what `RunTable.put` and `Transport.publish` throw.
 */
export type PublishRun = (change: {
  readonly run: Run;
  readonly revision: number;
  readonly changes?: ResourceChanges | undefined;
  readonly message: OutboxMessage;
}) => Promise<number>;

/** The key of a resource. Its type is a subject token; its name may hold any characters. */
export const resourceKey = (type: string, name: string): string => `${type}/${encodeURIComponent(name)}`;

/** The key of one version of a resource. */
export const versionKey = (type: string, name: string, version: number): string =>
  `${resourceKey(type, name)}/${version}`;

/** An ended run; `endedAt` in milliseconds since the epoch. */
export interface EndedRun {
  readonly endedAt: number;
  readonly id: string;
}

/** A position in the list of runs, which is ordered by these; the run need not exist any more. */
export interface RunPlace {
  readonly createdAt: number;
  readonly id: string;
}

/** Conditions for listing runs; all that are given must hold. */
export interface RunQuery {
  /** `open` for runs that have not ended. */
  readonly outcome?: Run["outcome"] | "open";
  readonly reason?: Reason;
  /** The resource's name; `type` is its type. */
  readonly name?: string;
  readonly type?: string;
  readonly pipeline?: string;
  /** Milliseconds since the epoch: created at or after `since`, before `until`. */
  readonly since?: number;
  readonly until?: number;
  /** The last run of the previous page: its id (an unknown id gives an empty page) or its position. */
  readonly before?: string | RunPlace;
  /** Default 100. */
  readonly limit?: number;
}

/**
 * Runs, with an index of the open ones (those without `outcome`), so that the number of ended runs does not
 * slow down `open`.
 */
export interface RunTable extends Omit<Table<Run>, "list"> {
  /** Returns the ids of all runs that have not ended. */
  open(): Promise<string[]>;
  /** Returns runs, newest first. */
  list(query?: RunQuery): Promise<Run[]>;
  /**
   * Returns at most `limit` (default 100) runs that ended at `until` or earlier, the earliest first. `after`
   * is a run of an earlier page, which need not exist any more. The cost depends on the page only, not on the
   * number of stored runs.
   */
  ended(options: { until: number; after?: EndedRun; limit?: number }): Promise<EndedRun[]>;
  /** Returns the number of runs that have ended. */
  endedCount(): Promise<number>;
  /** Returns at most `limit` ids that begin with `prefix`. */
  find(prefix: string, limit: number): Promise<string[]>;
  /**
   * Calls `changed` after every change of the run until disposed: at once for changes by this process, soon
   * for others', and sometimes without a change.
   */
  watch(run: string, changed: () => void): Promise<AsyncDisposable>;
}

/**
 * Consecutive lines of one step. `firstSeq` is the number of the first line, counted from 1 through the run.
 */
export interface LogBatch {
  /** Opaque; pass it as `after` to continue behind this batch. */
  readonly cursor: string;
  readonly firstSeq: number;
  readonly step: string;
  readonly attempt: number;
  readonly lines: readonly Log[];
  /**
   * The number of lines of this attempt right before these that are not stored any more; undefined for none.
   */
  readonly missing?: number;
}

/**
 * Reads logs stored by `Transport.publish` on `logs.<run>`: each message is a batch of newline-delimited Log
 * objects.
 */
export interface LogReader {
  /**
   * Yields the run's batches in order, after `after`. With `follow` it continues without a gap with new
   * batches until `signal` fires (then it returns). A batch that cannot be parsed is replaced by one line
   * that says so.
   */
  read(
    run: string,
    options?: { after?: string; follow?: boolean; signal?: AbortSignal },
  ): AsyncIterable<LogBatch>;
  /** Returns the last `count` lines of the run, or of one step if given. */
  tail(run: string, count: number, step?: string): Promise<Log[]>;
  /** Returns the number of stored lines. */
  count(run: string): Promise<number>;
  /** True if a log loses its first lines to age while the rest of it stays (default: it goes as a whole). */
  readonly expiresLines?: boolean;
  /** Whether the run's log was removed to make room for others (default: none is). */
  isRemoved?(run: string): Promise<boolean>;
}

export interface StoredArtifact {
  readonly name: string;
  readonly size: number;
  readonly sha256: string;
  /** Permission bits. */
  readonly mode: number;
  /** When the file was modified, whole seconds since the epoch; undefined if that was not kept. */
  readonly mtime?: number | undefined;
}

/** Reads what `Transport.putBlob` stored. */
export interface ArtifactReader {
  list(run: string): Promise<StoredArtifact[]>;
  /** Returns one entry of `list`; undefined if there is none. */
  find(run: string, name: string): Promise<StoredArtifact | undefined>;
  /** Returns the bytes; undefined if there is no such artifact. */
  open(run: string, name: string): Promise<AsyncIterable<Uint8Array> | undefined>;
  /**
   * Copies the bytes to a new file, by the file system's own means. Returns false if there is no such
   * artifact. Only of a store whose artifacts are files here.
   */
  copyTo?(run: string, name: string, path: string): Promise<boolean>;
}

/**
 * The control plane's state, without its rules: those are the engine's. Opening a store migrates an older
 * schema and throws `UnavailableError` for a newer one. No change here shares a transaction with a Transport.
 */
export interface Store extends AsyncDisposable {
  readonly definitions: Table<StoredDefinition>;
  readonly pipelines: Table<Pipeline>;
  /** Current versions, by `resourceKey`. */
  readonly resources: Table<StoredResource>;
  /** All versions of the stored resources, by `versionKey`. */
  readonly versions: Table<StoredResource>;
  readonly runs: RunTable;
  /**
   * Stores a new run together with changes of resources: all of it, or nothing. Returns the run's revision.
   * Throws `ConflictError` if the run exists, or a resource is not at its revision.
   */
  createRun(run: Run, changes: ResourceChanges): Promise<number>;
  /** Sealed secrets, by run; deleted when the run ends. */
  readonly secrets: Table<string>;
  /** Data that a transport can rebuild from elsewhere, with its own keys and values. */
  readonly notes: Table<unknown>;
  readonly logs: LogReader;
  readonly artifacts: ArtifactReader;
  /** Removes the run, its log and its artifacts. Throws `InputError` if the run has not ended. */
  removeRun(run: string): Promise<void>;
}
