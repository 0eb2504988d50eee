import { InputError } from "../../../base/errors.ts";
import { GitFolder } from "../../../build/git/local/git-folder.ts";
import { moduleOf, type Submodule, submodulesOf } from "../../../build/git/local/modules.ts";
import { type LocalSource, openLocalSource } from "../../../build/git/local-source.ts";
import { ObjectStore } from "../../../build/git/objects/object-store.ts";
import type { Environment } from "../../../driver/program/command-line/environment.ts";

/** Most submodules of one repository whose working trees are read. */
const MOST_MODULES = 200;

/**
 * Returns a commit's submodules that are checked out where they belong in the working tree, and whose git
 * folders are where `git submodule` keeps them. Any other is built as the commit has it.
 */
export async function checkedOutModules(
  source: LocalSource,
  commit: string,
  { environment }: { environment: Environment },
): Promise<(Submodule & { readonly source: LocalSource })[]> {
  const { workTree } = source;
  if (workTree === undefined || source.gitFolder.path !== source.commonFolder.path) return [];
  const found: (Submodule & { source: LocalSource })[] = [];
  using store = new ObjectStore(source);
  const folder = new GitFolder(workTree);
  for (const submodule of submodulesOf(store, commit).slice(0, MOST_MODULES)) {
    const { name, path } = submodule;
    if (!isWithin(folder, path) || !moduleOf(source, name)) continue;
    const module = await opened(`${workTree}/${Buffer.from(path, "latin1").toString("utf8")}`, environment);
    const isOwn = module?.gitFolder.path === `${source.commonFolder.path}/modules/${name}` &&
      module.workTree === module.path && module.objectFormat === source.objectFormat;
    if (module && isOwn) found.push({ ...submodule, source: module });
  }
  return found;
}

/** Whether a repository lies at a path, with no link on the way to it. */
function isWithin(folder: GitFolder, path: string): boolean {
  const names = path.split("/");
  if (names.some((name) => ["", ".", "..", ".git"].includes(name))) return false;
  const isLink = names.some((_, i) => folder.linkAt(names.slice(0, i + 1).join("/")) !== undefined);
  return !isLink && folder.kind(path) === "folder" && folder.linkAt(`${path}/.git`) === undefined &&
    folder.kind(`${path}/.git`) === "file";
}

async function opened(path: string, environment: Environment): Promise<LocalSource | undefined> {
  try {
    return await openLocalSource(path, { environment });
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}
