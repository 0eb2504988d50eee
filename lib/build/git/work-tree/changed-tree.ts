import { treeEntries } from "../objects/format.ts";
import type { ObjectStore } from "../objects/object-store.ts";
import type { LooseWriter } from "./loose-writer.ts";

/** What stands at a path now; undefined if nothing does. */
export type Change = { readonly mode: string; readonly id: string } | undefined;

const FOLDER = "40000";

/**
 * Writes a tree with changes and all the trees above them. Returns its id; undefined if nothing is left in
 * it. `tree`: the one that is changed. Paths are Latin-1 text.
 */
export function changedTree(
  tree: string | undefined,
  changes: ReadonlyMap<string, Change>,
  { store, writer }: { store: ObjectStore; writer: LooseWriter },
): string | undefined {
  const entries = new Map(
    tree === undefined ? [] : treeEntries(tree, store.read(tree).bytes).map((entry) => [entry.name, entry]),
  );
  const own = new Map<string, Change>();
  const below = new Map<string, Map<string, Change>>();
  for (const [path, change] of changes) {
    const slash = path.indexOf("/");
    if (slash === -1) own.set(path, change);
    else {
      const name = path.slice(0, slash);
      const inner = below.get(name) ?? new Map<string, Change>();
      below.set(name, inner.set(path.slice(slash + 1), change));
    }
  }
  for (const [name, change] of own) {
    if (change) entries.set(name, { name, ...change });
    else entries.delete(name);
  }
  for (const [name, inner] of below) {
    const entry = entries.get(name);
    const id = changedTree(entry?.mode === FOLDER ? entry.id : undefined, inner, { store, writer });
    // A file that has replaced the folder stays.
    if (id !== undefined) entries.set(name, { name, mode: FOLDER, id });
    else if (entry?.mode === FOLDER) entries.delete(name);
  }
  return entries.size === 0 ? undefined : writer.write("tree", encode([...entries.values()]));
}

function encode(entries: { mode: string; name: string; id: string }[]): Buffer {
  // git sorts a folder as if its name ended with a slash. Latin-1 text sorts as its bytes do.
  const key = ({ mode, name }: { mode: string; name: string }) => mode === FOLDER ? `${name}/` : name;
  entries.sort((a, b) => key(a) < key(b) ? -1 : 1);
  return Buffer.concat(
    entries.flatMap(({ mode, name, id }) => [
      Buffer.from(`${mode} ${name}\0`, "latin1"),
      Buffer.from(id, "hex"),
    ]),
  );
}
