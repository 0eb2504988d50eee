import { join } from "node:path";
import { type Clock, steadyClock, systemClock } from "../../base/clock.ts";
import { Retryable, UnavailableError } from "../../base/errors.ts";
import { lstatIfThere, refuseLinks } from "../../base/files.ts";
import type { Store } from "../store.ts";
import type { Transport } from "../transport.ts";
import { ArtifactTable } from "./artifacts.ts";
import { connect, type Database } from "./database.ts";
import { checkFolder, type DataFolder, dataFolder, prepareFolder, sealKeyOf } from "./folder.ts";
import { Reserve } from "./reserve.ts";
import { LogTable } from "./logs.ts";
import { migrate } from "./schema.ts";
import { Scopes } from "./scopes.ts";
import { emptyDatabaseOfSecrets } from "./secret-files.ts";
import { embeddedStore } from "./store.ts";
import { embeddedTransport } from "./transport.ts";

export interface EmbeddedOptions {
  /** The data folder; made if it is missing. */
  folder: string;
  /**
   * Names who works in this folder: a run's id, or `up`. Messages, consumers, leases and blobs in progress are per scope, so
   * that several processes share the history without ever taking each other's events.
   */
  scope: string;
  clock?: Clock;
}

/** One process's place in a data folder. Dispose ends transport and store too. */
export interface Embedded extends AsyncDisposable {
  readonly transport: Transport;
  readonly store: Store;
  /** Random id of the installation, made with the folder: the label `conveyor.owner`. */
  readonly owner: string;
  /** 32 bytes, kept in a file of the folder that only its user can read. */
  readonly sealKey: Uint8Array;
  /** True while the process that opened this scope is alive. */
  isAlive(scope: string): boolean;
  /** Scopes whose process is gone, oldest first, whether it died or ended in an orderly way. */
  deadScopes(): string[];
  /** Removes what a dead scope left: its messages, its consumers, its lock. Throws UnavailableError while it is alive. */
  forgetScope(scope: string): void;
  /** Removes a run's log and leaves the rest of it. */
  removeLog(run: string): Promise<void>;
}

/**
 * Opens transport and store over a data folder. What a process left that was killed is delivered again at once to the next
 * one in its scope. Throws UnavailableError where the scope is in use, the folder cannot be used or its data are newer.
 */
export async function openEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  try {
    return await open(options);
  } catch (error) {
    // There is no event yet that could be tried again.
    if (error instanceof Retryable) throw unavailable(options.folder, error);
    throw error;
  }
}

/** What a data folder holds, whoever works in it. */
export interface History extends Store {
  /** True while the process that opened this scope is alive. */
  isAlive(scope: string): boolean;
}

/** The history of a data folder, for commands that look into it. Takes no scope; a folder that does not exist has no history. */
export async function openHistory(path: string): Promise<History> {
  const folder = dataFolder(path);
  await using opened = new AsyncDisposableStack();
  checkFolder(folder);
  const file = lstatIfThere(folder.database) ? folder.database : ":memory:";
  const database = opened.use(await openDatabase(file, new Reserve(folder.reserve)));
  const logs = new LogTable(database, systemClock);
  const store = opened.use(
    embeddedStore(database, logs, new ArtifactTable(database, folder.artifacts), secretsOf(folder)),
  );
  const scopes = new Scopes(database, folder);
  const kept = opened.move();
  return {
    ...store,
    isAlive: (scope) => scopes.isAlive(scope),
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
  const database = opened.use(await openDatabase(folder.database, reserve));
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
    owner,
    sealKey,
    isAlive: (name) => scopes.isAlive(name),
    deadScopes: () => scopes.dead(),
    forgetScope: (name) => scopes.forget(name),
    removeLog: (run) => logs.remove(run),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

const secretsOf = ({ path }: DataFolder): string => join(path, "secrets");

/** Throws UnavailableError, whatever it is that is wrong with the file. */
async function openDatabase(path: string, reserve: Reserve): Promise<Database> {
  await using opened = new AsyncDisposableStack();
  try {
    const database = opened.use(await connect(path, () => reserve.spend()));
    migrate(database, path);
    opened.move();
    return database;
  } catch (error) {
    if (error instanceof UnavailableError) throw error;
    throw unavailable(path, error);
  }
}

function unavailable(path: string, cause: unknown): UnavailableError {
  return new UnavailableError(`Cannot use "${path}"`, {
    cause,
    hint: "Name another data folder with --data.",
  });
}

function ownerOf(database: Database): string {
  const owner = database.prepare("SELECT value FROM meta WHERE key = 'owner'");
  return String(database.run(() => owner.get()?.["value"]));
}
