import { InputError } from "../../../base/errors.ts";
import { GitFolder } from "../../../build/git/local/git-folder.ts";
import { modulesNamed, type Submodule, submodulesOf } from "../../../build/git/local/modules.ts";
import { type LocalSource, openLocalSource } from "../../../build/git/local-source.ts";
import { resolveCommit } from "../../../build/git/local/resolve-commit.ts";
import { ObjectStore } from "../../../build/git/objects/object-store.ts";
import type { Environment } from "../../../driver/program/command-line/environment.ts";

/** Most submodules of one repository whose working trees are read. */
const MOST_MODULES = 200;

/**
 * Returns a commit's submodules that are checked out where they belong in the working tree, and whose git
 * folders are where `git submodule` keeps them. Any other is built as the commit has it, also one without a
 * commit or index of its own: its first checkout was interrupted.
 */
export async function checkedOutModules(
  source: LocalSource,
  commit: string,
  { environment }: { environment: Environment },
): Promise<(Submodule & { readonly source: LocalSource })[]> {
  const { workTree } = source;
  if (workTree === undefined) return [];
  const found: (Submodule & { source: LocalSource })[] = [];
  using store = new ObjectStore(source);
  const folder = new GitFolder(workTree);
  for (const submodule of submodulesOf(store, commit).slice(0, MOST_MODULES)) {
    const { name, path } = submodule;
    const own = `${source.gitFolder.path}/modules/${name}`;
    if (
      !isWithin(folder, path) || !modulesNamed(source, name).some(({ gitFolder }) => gitFolder.path === own)
    ) continue;
    const at = `${workTree}/${Buffer.from(path, "latin1").toString("utf8")}`;
    const module = await checkedOut(at, { own, source, environment });
    if (module) found.push({ ...submodule, source: module });
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

/** Opens the submodule at a path. Undefined if its git folder is not `own`, or if it is not checked out. */
async function checkedOut(
  path: string,
  { own, source, environment }: { own: string; source: LocalSource; environment: Environment },
): Promise<LocalSource | undefined> {
  try {
    const module = await openLocalSource(path, { environment });
    const isOwn = module.gitFolder.path === own && module.commonFolder.path === own &&
      module.workTree === module.path && module.objectFormat === source.objectFormat;
    return isOwn && hasCommit(module) ? module : undefined;
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

function hasCommit(module: LocalSource): boolean {
  if (module.gitFolder.kind("index") !== "file") return false;
  const head = resolveCommit(module, undefined);
  using store = new ObjectStore(module);
  return head !== undefined && store.typeOf(head.commit) === "commit";
}
