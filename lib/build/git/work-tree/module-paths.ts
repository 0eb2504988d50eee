import { InputError } from "../../../base/errors.ts";
import { treeEntries } from "../objects/format.ts";
import type { ObjectStore } from "../objects/object-store.ts";

/** The mode of a submodule in a tree. */
export const MODULE = "160000";

const FOLDER = "40000";
const MOST_MODULES = 10_000;
/** No longer path can be checked out. */
const MOST_FOLDERS = 2048;

/**
 * Returns the paths of all submodules in a tree, also of those that `.gitmodules` does not name. Latin-1
 * text. Throws InputError if there are more than 10,000.
 */
export function modulePaths(store: ObjectStore, tree: string): string[] {
  // A hostile tree has the same one below it in many places.
  const known = new Map<string, readonly string[]>();
  const within = (id: string, depth: number): readonly string[] => {
    const before = known.get(id);
    if (before || depth > MOST_FOLDERS) return before ?? [];
    const paths: string[] = [];
    for (const entry of treeEntries(id, store.read(id).bytes)) {
      if (entry.mode === MODULE) paths.push(entry.name);
      if (entry.mode !== FOLDER) continue;
      for (const path of within(entry.id, depth + 1)) paths.push(`${entry.name}/${path}`);
      if (paths.length > MOST_MODULES) {
        throw new InputError(
          `Cannot build the working tree: its commit has more than ${MOST_MODULES} submodules`,
        );
      }
    }
    known.set(id, paths);
    return paths;
  };
  return [...within(tree, 0)];
}
