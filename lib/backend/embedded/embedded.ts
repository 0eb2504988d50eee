import { countDeadLetters } from "./dead-letters.ts";
import { join } from "node:path";
import { type Clock, steadyClock, systemClock } from "../../base/clock.ts";
import { Retryable, UnavailableError } from "../../base/errors.ts";
import { lstatIfThere, refuseLinks } from "../../base/files.ts";
import type { PublishRun, Store } from "../store.ts";
import type { Transport } from "../transport.ts";
import { ArtifactTable } from "./artifacts.ts";
import { connect, Database } from "./database.ts";
import { checkFolder, type DataFolder, dataFolder, prepareFolder, sealKeyOf } from "./folder.ts";
import { isWritable, requireWritable } from "./require-writable.ts";
import { Reserve } from "./reserve.ts";
import { LogTable } from "./logs.ts";
import { removeOrphans } from "./orphans.ts";
import { isCurrent, migrate } from "./schema.ts";
import { Scopes } from "./scopes.ts";
import { emptyDatabaseOfSecrets } from "./secret-files.ts";
import { type EmbeddedStore, embeddedStore } from "./store.ts";
import { type EmbeddedTransport, embeddedTransport } from "./transport.ts";
import { openUnwritable } from "./unwritable.ts";

export interface EmbeddedOptions {
  /** The data folder; created if it is missing. */
  folder: string;
  /**
   * Names this process's work in the folder: a run's id, or `up`. Messages, consumers, leases and unfinished
   * blobs are per scope, so several processes can share the history without taking each other's events.
   */
  scope: string;
  clock?: Clock;
}

/** An open data folder. Dispose also disposes the transport and the store. */
export interface Embedded extends AsyncDisposable {
  readonly transport: Transport;
  readonly store: Store;
  readonly publishRun: PublishRun;
  /** Random id of the installation, created with the folder: the label `conveyor.owner`. */
  readonly owner: string;
  /** 32 bytes, stored in a file of the folder that only its owner can read. */
  readonly sealKey: Uint8Array;
  /** True while the process that opened this scope is alive. */
  isAlive(scope: string): boolean;
  /** All scopes that have not been forgotten, dead or alive, oldest first. */
  scopes(): string[];
  /** Scopes whose process has died or exited, oldest first. */
  deadScopes(): string[];
  /** Removes a dead scope's messages, consumers and lock. Throws `UnavailableError` while it is alive. */
  forgetScope(scope: string): void;
  /** Returns the number of kept messages that could not be handled, and the size of all stored logs. */
  stored(): Promise<{ deadLetters: number; logBytes: number }>;
  /** Removes a run's log and keeps the rest of the run. */
  removeLog(run: string): Promise<void>;
  /** See `removeOrphans`. */
  removeOrphans(options: { signal: AbortSignal }): Promise<number>;
}

/**
 * Opens transport and store of a data folder. Messages that a killed process held are delivered at once to
 * the next process in its scope. Throws `UnavailableError` if the scope is in use, the folder is unusable or
 * its data are from a newer version.
 */
export async function openEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  try {
    return await open(options);
  } catch (error) {
    // No event is being handled yet that could be retried.
    if (error instanceof Retryable) {
      throw unavailable(options.folder, error, new Reserve(dataFolder(options.folder).reserve));
    }
    throw error;
  }
}

/** The content of a data folder, independent of scopes. */
export interface History extends Store {
  /** True while the process that opened this scope is alive. */
  isAlive(scope: string): boolean;
  /** The number of kept messages that could not be handled. */
  deadLetters(): Promise<number>;
}

/**
 * Opens the history of a data folder for commands that only read it. Claims no scope; a missing folder has an
 * empty history. One that this process cannot write to is read as it is, if SQLite can do that.
 */
export async function openHistory(path: string): Promise<History> {
  const folder = dataFolder(path);
  await using opened = new AsyncDisposableStack();
  checkFolder(folder);
  const file = lstatIfThere(folder.database) ? folder.database : ":memory:";
  const database = opened.use(
    await openDatabase(file, new Reserve(folder.reserve), folder)
      .catch(async (error) => await openToRead(folder) ?? Promise.reject(error)),
  );
  const logs = new LogTable(database, systemClock);
  const store = opened.use(
    embeddedStore(database, logs, new ArtifactTable(database, folder.artifacts), secretsOf(folder)),
  );
  const scopes = new Scopes(database, folder);
  const kept = opened.move();
  return {
    ...store,
    isAlive: (scope) => scopes.isAlive(scope),
    deadLetters: () => Promise.resolve(countDeadLetters(database)),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function open(options: EmbeddedOptions): Promise<Embedded> {
  const { clock = steadyClock() } = options;
  const folder = dataFolder(options.folder);
  prepareFolder(folder);
  const reserve = new Reserve(folder.reserve);
  reserve.check();
  await using opened = new AsyncDisposableStack();
  const database = opened.use(await openDatabase(folder.database, reserve, folder));
  refuseLinks(secretsOf(folder));
  emptyDatabaseOfSecrets(database, secretsOf(folder));
  const scopes = new Scopes(database, folder);
  const { id, lock } = scopes.claim(options.scope);
  opened.use(lock);
  const logs = new LogTable(database, clock);
  const artifacts = new ArtifactTable(database, folder.artifacts);
  const scope = { id, name: options.scope };
  const transport = opened.use(embeddedTransport({ database, scope, logs, artifacts, reserve, clock }));
  const store = opened.use(embeddedStore(database, logs, artifacts, secretsOf(folder)));
  const owner = ownerOf(database);
  const sealKey = sealKeyOf(folder, database);
  const kept = opened.move();
  return {
    transport,
    store,
    publishRun: publishRunIn({ transport, store }),
    owner,
    sealKey,
    isAlive: (name) => scopes.isAlive(name),
    scopes: () => scopes.names(),
    deadScopes: () => scopes.dead(),
    forgetScope: (name) => scopes.forget(name),
    // An error becomes the promise's.
    stored: () =>
      Promise.resolve().then(() => ({
        deadLetters: countDeadLetters(database),
        logBytes: logs.storedBytes(),
      })),
    removeLog: (run) => logs.remove(run),
    removeOrphans: ({ signal }) =>
      removeOrphans(database, { logs, artifacts, folder: folder.artifacts.whole }, signal),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Returns the change of a run together with its message, in one transaction. */
function publishRunIn(
  { transport, store }: { transport: EmbeddedTransport; store: EmbeddedStore },
): PublishRun {
  return async ({ run, revision, changes, message: { subject, ...message } }) => {
    const outgoing = transport.outgoing(subject, [message]);
    const next = await store.putRunWith(run, revision, { changes, also: () => void outgoing.store() });
    outgoing.announce();
    return next;
  };
}

const secretsOf = ({ path }: DataFolder): string => join(path, "secrets");

/** Throws `UnavailableError` for any problem with the file. */
async function openDatabase(path: string, reserve: Reserve, folder: DataFolder): Promise<Database> {
  await using opened = new AsyncDisposableStack();
  try {
    const database = opened.use(await connect(path, () => reserve.spend()));
    migrate(database, path, () => {
      const scopes = new Scopes(database, folder);
      return scopes.names().some((name) => scopes.isAlive(name));
    });
    opened.move();
    return database;
  } catch (error) {
    if (error instanceof UnavailableError) throw error;
    // SQLite writes to a database that is only read, and says no more than that it cannot open it.
    requireWritable(folder.path);
    throw unavailable(path, error, reserve);
  }
}

/** Opens a database to read if this process cannot write here. Undefined if it cannot be read. */
async function openToRead({ path, database: file }: DataFolder): Promise<Database | undefined> {
  if (isWritable(path) || !lstatIfThere(file)) return undefined;
  await using opened = new AsyncDisposableStack();
  try {
    const unwritable = openUnwritable(file);
    if (!unwritable) return undefined;
    const database = opened.use(new Database(file, () => 0, { unwritable }));
    if (!isCurrent(database)) return undefined;
    opened.move();
    return database;
  } catch {
    return undefined;
  }
}

function unavailable(path: string, cause: unknown, reserve: Reserve): UnavailableError {
  const isFull = cause instanceof Retryable && cause.reason === "disk-full";
  return isFull && reserve.whyTooLittle() || new UnavailableError(`Cannot use "${path}"`, {
    cause,
    hint: `${isFull ? "Make room there, or name" : "Name"} another data folder with --data.`,
  });
}

function ownerOf(database: Database): string {
  const owner = database.prepare("SELECT value FROM meta WHERE key = 'owner'");
  return String(database.run(() => owner.get()?.["value"]));
}
