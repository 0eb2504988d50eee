import { entryAt } from "../objects/entry-at.ts";
import { parseCommit } from "../objects/format.ts";
import { ObjectStore } from "../objects/object-store.ts";
import type { LocalSource } from "../local-source.ts";
import { lastOf, parseConfig } from "./config.ts";
import type { GitFolder } from "./git-folder.ts";

/** A submodule whose commit is stored on this machine. */
export interface LocalModule {
  /**
   * Its git folder, relative to the repository's: `modules/<name>`, or `modules/<name>/modules/<name>` if
   * nested.
   */
  readonly folder: string;
  readonly commit: string;
  readonly source: LocalSource;
  readonly store: ObjectStore;
}

const MOST_MODULES = 200;
const MOST_FILE_BYTES = 1024 * 1024;
const MOST_CONFIG_BYTES = 1024 * 1024;
/**
 * A segment of a name that can be a folder name: no control characters, and no blanks at either end, which
 * would get lost in transit.
 */
const SEGMENT = /^(?!\.\.?$)[!-.0-~\x80-\xff](?:[ -.0-~\x80-\xff]*[!-.0-~\x80-\xff])?$/;

/**
 * Returns a commit's submodules whose own commits are stored in the repository's git folder, where `git
 * submodule` keeps them. All others are fetched by their URLs, including those that borrow objects or are
 * partial clones. `opened` closes the stores.
 */
export function findModules(
  { source, store, commit }: { source: LocalSource; store: ObjectStore; commit: string },
  opened: DisposableStack,
): LocalModule[] {
  const found: LocalModule[] = [];
  const waiting = [{ source, store, commit, below: "" }];
  for (let at = waiting.shift(); at; at = waiting.shift()) {
    for (const { name, id } of submodulesOf(at.store, at.commit)) {
      if (found.length === MOST_MODULES) return found;
      for (const module of modulesNamed(at.source, name)) {
        const own = opened.use(new ObjectStore(module));
        if (own.typeOf(id) !== "commit") continue;
        const folder = `${at.below}modules/${name}`;
        found.push({ folder, commit: id, source: module, store: own });
        waiting.push({ source: module, store: own, commit: id, below: `${folder}/` });
        break;
      }
    }
  }
  return found;
}

/** A submodule as a commit has it. `path` is Latin-1 text. */
export interface Submodule {
  readonly name: string;
  readonly path: string;
  readonly id: string;
}

/** Returns a commit's submodules, from `.gitmodules` and the tree. */
export function submodulesOf(store: ObjectStore, commit: string): Submodule[] {
  const { tree } = parseCommit(commit, store.read(commit).bytes);
  const file = entryAt(store, tree, [".gitmodules"]);
  const found = new Map<string, Submodule>();
  if (!file?.mode.startsWith("100")) return [];
  const { bytes } = store.read(file.id);
  if (bytes.length > MOST_FILE_BYTES) return [];
  for (const [key, path] of parseConfig(bytes.toString("latin1"))) {
    const name = /^submodule\.(.+)\.path$/s.exec(key)?.[1] ?? "";
    if (!name.split("/").every((segment) => SEGMENT.test(segment))) continue;
    const entry = entryAt(store, tree, path.split("/"));
    if (entry?.mode === "160000") found.set(name, { name, path, id: entry.id });
  }
  return [...found.values()];
}

/**
 * Returns the git folders of a submodule as repositories, without those whose objects are not all there. A
 * linked work tree has its own, and may do with that of the main one.
 */
export function modulesNamed(
  { gitFolder, commonFolder, ...source }: LocalSource,
  name: string,
): LocalSource[] {
  const folders = gitFolder.path === commonFolder.path ? [commonFolder] : [gitFolder, commonFolder];
  return folders.map((folder) => asModule(folder.sub(`modules/${name}`), source, name))
    .filter((module) => module !== undefined);
}

function asModule(
  folder: GitFolder,
  { objectFormat, path, ownObjects }: Pick<LocalSource, "objectFormat" | "path" | "ownObjects">,
  name: string,
): LocalSource | undefined {
  if (folder.kind("objects") !== "folder" || folder.kind("objects/info/alternates") !== "nothing") {
    return undefined;
  }
  const config = parseConfig(folder.text("config", MOST_CONFIG_BYTES) ?? "");
  const format = lastOf(config, "extensions.objectformat")?.toLowerCase() ?? "sha1";
  if (format !== objectFormat || lastOf(config, "extensions.partialclone") !== undefined) return undefined;
  return {
    path: `${path}, submodule ${name}`,
    workTree: undefined,
    gitFolder: folder,
    commonFolder: folder,
    objectFolders: [...ownObjects ? [ownObjects] : [], folder.sub("objects")],
    ownObjects,
    objectFormat,
    config,
    isPartial: false,
  };
}
