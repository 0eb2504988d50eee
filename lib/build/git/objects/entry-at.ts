import { treeEntries } from "./format.ts";
import type { ObjectStore } from "./object-store.ts";

/** An entry of a tree. `mode` is octal text: `100644`, `120000` for a link, `40000` for a folder. */
export interface TreeEntry {
  readonly mode: string;
  readonly name: string;
  readonly id: string;
}

/** Returns the entry at a path below a tree; undefined if there is none. Names are Latin-1 text. */
export function entryAt(store: ObjectStore, tree: string, path: readonly string[]): TreeEntry | undefined {
  let id = tree;
  for (const [i, name] of path.entries()) {
    const { type, bytes } = store.read(id);
    if (type !== "tree") return undefined;
    const entry = treeEntries(id, bytes).find((one) => one.name === name);
    if (!entry || i === path.length - 1) return entry;
    if (entry.mode !== "40000") return undefined;
    id = entry.id;
  }
  return undefined;
}
