import type { Log } from "../wire/messages.ts";
import type { Reason } from "../wire/reasons.ts";
import type { Pipeline, Resource, ResourceDefinition } from "../wire/resource.ts";
import type { Run } from "../wire/run.ts";

/** A value as it was read, and the revision that a change of it has to name. */
export interface Versioned<T> {
  readonly value: T;
  /** Grows with every change of this key; only its equality means anything. */
  readonly revision: number;
}

/** The value was changed by somebody else since it was read (or exists, or does not). Read it again and decide anew. */
export class ConflictError extends Error {
  override readonly name = "ConflictError";
}

/** Values by key. Every change is a compare-and-set; what was written is durable when the promise resolves. */
export interface Table<T> {
  get(key: string): Promise<Versioned<T> | undefined>;
  /** Writes the value if the key is still at `revision` (0: does not exist). Answers the new revision. Throws ConflictError. */
  put(key: string, value: T, revision: number): Promise<number>;
  /** Removes the key if it is still at `revision`. Throws ConflictError. */
  delete(key: string, revision: number): Promise<void>;
  /** Entries in the order of their keys, after `after`, at most `limit` (default 100). */
  list(options?: { after?: string; limit?: number }): Promise<{ key: string; value: T }[]>;
}

/** When a run ended, milliseconds since the epoch. */
export interface EndedRun {
  readonly endedAt: number;
  readonly id: string;
}

/** A place in the list of runs, which is ordered by these; the run may be gone by now. */
export interface RunPlace {
  readonly createdAt: number;
  readonly id: string;
}

/** Which runs to list. Everything that is given has to hold. */
export interface RunQuery {
  /** `open` for runs that have not ended. */
  readonly outcome?: Run["outcome"] | "open";
  readonly reason?: Reason;
  /** The name of the resource, and its type. */
  readonly name?: string;
  readonly type?: string;
  readonly pipeline?: string;
  /** Milliseconds since the epoch: created at or after `since`, before `until`. */
  readonly since?: number;
  readonly until?: number;
  /** The last run of the previous page: its id (an unknown one has no next page), or its place. */
  readonly before?: string | RunPlace;
  /** Default 100. */
  readonly limit?: number;
}

/** Runs, with an index of the open ones (those without `outcome`), so that looking after them costs nothing for the ended ones. */
export interface RunTable extends Omit<Table<Run>, "list"> {
  /** Ids of runs that have not ended. */
  open(): Promise<string[]>;
  /** Newest first. */
  list(query?: RunQuery): Promise<Run[]>;
  /**
   * Runs that ended at `until` or earlier, longest ago first, at most `limit` (default 100); `after` is one of an earlier
   * answer, there still or not. Costs as much as it answers, however many runs are stored.
   */
  ended(options: { until: number; after?: EndedRun; limit?: number }): Promise<EndedRun[]>;
  /** Ids that begin with `prefix`, at most `limit`. */
  find(prefix: string, limit: number): Promise<string[]>;
  /** Calls `changed` after every change of that run until disposed: at once for this process's own, soon for others', and perhaps for nothing. */
  watch(run: string, changed: () => void): Promise<AsyncDisposable>;
}

/** Some consecutive lines of one step. `seq` of the first line counts from 1 through the run. */
export interface LogBatch {
  /** Opaque; reading goes on after it. */
  readonly cursor: string;
  readonly firstSeq: number;
  readonly step: string;
  readonly attempt: number;
  readonly lines: readonly Log[];
}

/** The log as it was stored by `Transport.publish` on `logs.<run>`: a batch a message, newline-delimited Log objects. */
export interface LogReader {
  /**
   * The run's batches in order, after `after`. With `follow` it does not end: it goes over into what is stored from now
   * on, with no gap, until `signal` fires (then it returns). A batch that cannot be parsed is one line that says so.
   */
  read(
    run: string,
    options?: { after?: string; follow?: boolean; signal?: AbortSignal },
  ): AsyncIterable<LogBatch>;
  /** The last `count` lines of the run, of one step if given. */
  tail(run: string, count: number, step?: string): Promise<Log[]>;
  /** How many lines are stored. */
  count(run: string): Promise<number>;
}

export interface StoredArtifact {
  readonly name: string;
  readonly size: number;
  readonly sha256: string;
  /** Permission bits. */
  readonly mode: number;
}

/** What `Transport.putBlob` stored. */
export interface ArtifactReader {
  list(run: string): Promise<StoredArtifact[]>;
  /** As `list` has it; undefined where there is none. */
  find(run: string, name: string): Promise<StoredArtifact | undefined>;
  /** The bytes, or undefined where there is no such artifact. */
  open(run: string, name: string): Promise<AsyncIterable<Uint8Array> | undefined>;
}

/**
 * The control plane's state. Knows nothing of what it means: the engine decides. Opening it brings an older schema up to
 * date and refuses a newer one with `UnavailableError`. Nothing here is in one transaction with a Transport.
 */
export interface Store extends AsyncDisposable {
  readonly definitions: Table<ResourceDefinition>;
  readonly pipelines: Table<Pipeline>;
  /** By `<type>/<name>`; snapshots by `<type>/<name>/<version>`. */
  readonly resources: Table<Resource>;
  readonly runs: RunTable;
  /** Sealed secrets, by run; deleted when the run ends. */
  readonly secrets: Table<string>;
  /** What can be made anew from elsewhere: a transport's own notes. Keys and values are its own. */
  readonly notes: Table<unknown>;
  readonly logs: LogReader;
  readonly artifacts: ArtifactReader;
  /** Removes the run, its log and its artifacts. Refuses a run that has not ended. */
  removeRun(run: string): Promise<void>;
}
