import { InputError } from "../../base/errors.ts";
import type { Pipeline } from "../../wire/resource.ts";
import type { StoredDefinition, StoredResource } from "../../wire/stored.ts";
import type { Store } from "../store.ts";
import type { ArtifactTable } from "./artifacts.ts";
import type { Database } from "./database.ts";
import { itemTable } from "./items.ts";
import { Lifetime } from "./lifetime.ts";
import type { LogTable } from "./logs.ts";
import { Revisions } from "./revisions.ts";
import { runTable } from "./runs.ts";
import { SetAside } from "./set-aside.ts";
import { secretFiles } from "./secret-files.ts";

/** The store of one data folder. Dispose ends running reads and leaves the database open. */
export function embeddedStore(
  database: Database,
  logs: LogTable,
  artifacts: ArtifactTable,
  secretsFolder: string,
): Store {
  const lifetime = new Lifetime("The store");
  const aside = new SetAside(database);
  const revisions = new Revisions(database);
  const table = <T>(kind: string) => itemTable<T>(database, { lifetime, revisions, aside }, kind);
  const runs = runTable(database, { lifetime, revisions, aside });
  const resources = table<StoredResource>("resource");
  const versions = table<StoredResource>("version");
  return {
    definitions: table<StoredDefinition>("definition"),
    pipelines: table<Pipeline>("pipeline"),
    resources,
    versions,
    secrets: secretFiles(database, lifetime, revisions, secretsFolder),
    notes: table<unknown>("note"),
    runs,

    createRun: (run, changes) =>
      lifetime.call(() =>
        runs.putWith(run, 0, () => {
          for (const change of changes.resources) resources.apply(change);
          for (const change of changes.versions) versions.apply(change);
        })
      ),

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
