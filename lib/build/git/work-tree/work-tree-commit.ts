import { setImmediate as turn } from "node:timers/promises";
import { lastOf } from "../local/config.ts";
import { GitFolder } from "../local/git-folder.ts";
import type { LocalSource } from "../local-source.ts";
import { entryAt } from "../objects/entry-at.ts";
import { parseCommit } from "../objects/format.ts";
import { ObjectStore } from "../objects/object-store.ts";
import { type Change, changedTree } from "./changed-tree.ts";
import { MODULE, modulePaths } from "./module-paths.ts";
import { LooseWriter } from "./loose-writer.ts";

/** A commit of a working tree, which only a folder of ours has. */
export interface WorkTreeCommit {
  readonly commit: string;
  /** What differs from the commit below it. Latin-1 text. */
  readonly changed: readonly string[];
  /** Other repositories in the working tree, whose files are not part of it. */
  readonly leftOut: readonly string[];
}

/**
 * Commits a working tree as it is, into `objects`: the repository itself is not touched. `head`: the commit
 * below; `paths`: the files that differ from it, from git; `removed`: those of them that are not in the
 * index; `modules`: the commits of submodules, by their paths. Files are read as bytes: no filter, hook or
 * attribute counts. The same files give the same commit. Throws InputError for a file that cannot be read.
 */
export async function commitWorkTree(
  source: LocalSource,
  { workTree, head, paths, removed, modules, objects }: {
    workTree: string;
    modules: ReadonlyMap<string, string>;
    head: string;
    paths: readonly string[];
    removed: ReadonlySet<string>;
    objects: string;
  },
): Promise<WorkTreeCommit> {
  using store = new ObjectStore(source);
  const writer = new LooseWriter(objects, source.objectFormat);
  const { bytes } = store.read(head);
  const { tree } = parseCommit(head, bytes);
  const files = new Files(workTree, {
    writer,
    modeOf: lastOf(source.config, "core.filemode") === "false"
      ? (path) => entryAt(store, tree, path.split("/"))?.mode
      : () => undefined,
  });
  const changes = new Map<string, Change>();
  const leftOut = new Set<string>();
  for (const path of paths) {
    if (modules.has(path)) continue;
    const isRepository = path.endsWith("/") || files.isRepository(path);
    // A submodule that is not in the index is no longer in .gitmodules either: no clone could bring it.
    if (isRepository && !removed.has(path)) leftOut.add(path);
    else changes.set(path, await files.at(path));
    await turn();
  }
  for (const path of modulePaths(store, tree)) {
    const isKnown = modules.has(path) || leftOut.has(`${path}/`);
    if (!isKnown && files.isRepository(path)) leftOut.add(path);
  }
  for (const [path, id] of modules) {
    if (entryAt(store, tree, path.split("/"))?.id !== id) changes.set(path, { mode: MODULE, id });
  }
  if (changes.size === 0) return { commit: head, changed: [], leftOut: [...leftOut] };
  const changed = changedTree(tree, changes, { store, writer }) ?? writer.write("tree", Buffer.alloc(0));
  const who = `flutter-ci <flutter-ci@localhost> ${timeOf(bytes)}`;
  const text = [
    `tree ${changed}`,
    `parent ${head}`,
    `author ${who}`,
    `committer ${who}`,
    "",
    `The working tree, with ${changes.size} uncommitted changes\n`,
  ].join("\n");
  return {
    commit: writer.write("commit", Buffer.from(text)),
    changed: [...changes.keys()],
    leftOut: [...leftOut],
  };
}

/** Returns the time of a commit, in git's words. */
function timeOf(commit: Buffer): string {
  return /^committer .*> (\d{1,12} [+-]\d{4})$/m.exec(commit.toString("latin1"))?.[1] ?? "0 +0000";
}

/** The files of a working tree, as objects. */
class Files {
  readonly #folder: GitFolder;
  readonly #writer: LooseWriter;
  readonly #modeOf: (path: string) => string | undefined;

  constructor(
    workTree: string,
    { writer, modeOf }: { writer: LooseWriter; modeOf: (path: string) => string | undefined },
  ) {
    this.#folder = new GitFolder(workTree);
    this.#writer = writer;
    this.#modeOf = modeOf;
  }

  async at(path: string): Promise<Change> {
    if (this.#isBeyondLink(path)) return undefined;
    const link = this.#folder.linkAt(path);
    if (link !== undefined) {
      return { mode: "120000", id: this.#writer.write("blob", Buffer.from(link, "latin1")) };
    }
    if (this.#folder.kind(path) !== "file") return undefined;
    using file = this.#folder.open(path);
    if (!file) return undefined;
    const id = await this.#writer.writeFile(file);
    const known = this.#modeOf(path);
    const mode = known?.startsWith("100") ? known : file.isExecutable ? "100755" : "100644";
    return { mode, id };
  }

  /** Whether a folder with a repository of its own is there now. */
  isRepository(path: string): boolean {
    if (this.#isBeyondLink(`${path}/.git`) || this.#folder.kind(path) !== "folder") return false;
    return this.#folder.linkAt(`${path}/.git`) !== undefined ||
      this.#folder.kind(`${path}/.git`) !== "nothing";
  }

  /** To git, a folder that is a link has no files in it. */
  #isBeyondLink(path: string): boolean {
    const names = path.split("/");
    return names.some((_, i) => i > 0 && this.#folder.linkAt(names.slice(0, i).join("/")) !== undefined);
  }
}
