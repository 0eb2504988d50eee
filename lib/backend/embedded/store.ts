import { InputError } from "../../base/errors.ts";
import type { Pipeline } from "../../wire/resource.ts";
import type { Run } from "../../wire/run.ts";
import type { StoredDefinition, StoredResource } from "../../wire/stored.ts";
import type { ResourceChanges, Store } from "../store.ts";
import type { ArtifactTable } from "./artifacts.ts";
import type { Database } from "./database.ts";
import { itemTable } from "./items.ts";
import { Lifetime } from "./lifetime.ts";
import type { LogTable } from "./logs.ts";
import { Revisions } from "./revisions.ts";
import { runTable } from "./runs.ts";
import { SetAside } from "./set-aside.ts";
import { secretFiles } from "./secret-files.ts";

/** A store whose changes of a run can be part of a larger transaction. */
export interface EmbeddedStore extends Store {
  /**
   * Stores a run and changes of resources, and calls `also`, in one transaction. Returns the new revision.
   */
  putRunWith(
    run: Run,
    revision: number,
    more: { readonly changes?: ResourceChanges | undefined; readonly also: () => void },
  ): Promise<number>;
}

const NONE: ResourceChanges = { resources: [], versions: [] };

/** The store of one data folder. Dispose ends running reads and leaves the database open. */
export function embeddedStore(
  database: Database,
  logs: LogTable,
  artifacts: ArtifactTable,
  secretsFolder: string,
): EmbeddedStore {
  const lifetime = new Lifetime("The store");
  const aside = new SetAside(database);
  const revisions = new Revisions(database);
  const table = <T>(kind: string) => itemTable<T>(database, { lifetime, revisions, aside }, kind);
  const runs = runTable(database, { lifetime, revisions, aside });
  const resources = table<StoredResource>("resource");
  const versions = table<StoredResource>("version");
  const applying = (changes: ResourceChanges) => {
    const all = [...changes.resources.map(resources.applying), ...changes.versions.map(versions.applying)];
    return () => {
      for (const apply of all) apply();
    };
  };
  return {
    definitions: table<StoredDefinition>("definition"),
    pipelines: table<Pipeline>("pipeline"),
    resources,
    versions,
    secrets: secretFiles(database, lifetime, revisions, secretsFolder),
    notes: table<unknown>("note"),
    runs,

    createRun: (run, changes) => lifetime.call(() => runs.putWith(run, 0, applying(changes))),

    putRunWith: (run, revision, { changes = NONE, also }) =>
      lifetime.call(() => {
        const apply = applying(changes);
        return runs.putWith(run, revision, () => {
          apply();
          also();
        });
      }),

    logs: logs.reader(lifetime),
    artifacts: artifacts.reader(lifetime),

    async removeRun(run) {
      const found = await runs.get(run);
      if (found && found.value.outcome === undefined) {
        throw new InputError(`Cannot remove run "${run}": expected one that has ended`);
      }
      await artifacts.remove(run);
      await logs.remove(run);
      if (found) await runs.delete(run, found.revision);
    },

    [Symbol.asyncDispose]() {
      lifetime.end();
      return Promise.resolve();
    },
  };
}
