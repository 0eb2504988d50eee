import { InputError, UnavailableError } from "../../../base/errors.ts";
import { counted, formatSize } from "../../../base/units.ts";
import type { LocalSource } from "../local-source.ts";
import { parseCommit, treeEntries } from "../objects/format.ts";
import type { ObjectStore } from "../objects/object-store.ts";
import { pacer } from "../objects/shipment.ts";
import type { GitFolder, OpenFile } from "./git-folder.ts";

/** A commit of a repository or submodule. */
export interface LfsPart {
  readonly source: LocalSource;
  readonly store: ObjectStore;
  readonly commit: string;
}

/** How much more may be sent. */
export interface LfsRoom {
  objects: number;
  bytes: number;
}

interface Pointer {
  readonly oid: string;
  readonly size: number;
}

/** An object on this machine, found to be of the pointer's size. */
export interface LfsObject extends Pointer {
  readonly folder: GitFolder;
  readonly name: string;
}

export const LFS_ROOM: Readonly<LfsRoom> = { objects: 10_000, bytes: 16 * 1024 ** 3 };
/** Same limit as git-lfs's. */
const MOST_POINTER_BYTES = 1024;
const CHUNK_BYTES = 256 * 1024;
const MOST_NAMED = 3;
const POINTER =
  /^version https:\/\/git-lfs\.github\.com\/spec\/v1\noid sha256:([0-9a-f]{64})\nsize ([1-9][0-9]{0,14})\n$/;

/**
 * Finds the Git LFS objects that a commit's pointers name and that are in the repository's `lfs/objects`.
 * Leaves out those that are not a regular file of the pointer's size or are behind a symbolic link. `sparse`:
 * the only folders that are checked out; empty for all. `room` is reduced by what is found. `notes` are lines
 * for the log.
 */
export async function findLfsObjects(
  { source: { commonFolder: folder }, store, commit }: LfsPart,
  { sparse, room, signal }: { sparse: readonly string[]; room: LfsRoom; signal: AbortSignal },
): Promise<{ objects: LfsObject[]; notes: string[] }> {
  const objects: LfsObject[] = [];
  if (folder.linkAt("lfs") === undefined && folder.stamp("lfs") === undefined) return { objects, notes: [] };
  const { tree } = parseCommit(commit, store.read(commit).bytes);
  const seen = new Set<string>();
  const unusable: string[] = [];
  let left = 0;
  for await (const { oid, size } of pointersIn(tree, { store, sparse, signal })) {
    if (seen.has(oid)) continue;
    seen.add(oid);
    const name = `lfs/objects/${oid.slice(0, 2)}/${oid.slice(2, 4)}/${oid}`;
    const found = sizeOf(folder, name);
    if (found === undefined) continue;
    if (found !== size) unusable.push(oid);
    else if (room.objects < 1 || room.bytes < size) left++;
    else {
      room.objects--;
      room.bytes -= size;
      objects.push({ oid, size, folder, name });
    }
  }
  return { objects, notes: notesOn(unusable, left) };
}

/** Yields an object's bytes: as many as its pointer says. The receiver checks their hash. */
export function* lfsContent({ folder, name, size }: LfsObject): Generator<Uint8Array> {
  using file = openObject(folder, name);
  for (let at = 0; at < size; at += CHUNK_BYTES) {
    const length = Math.min(CHUNK_BYTES, size - at);
    const piece = file?.read(at, length);
    // The file may have been removed or cut off meanwhile.
    yield piece?.length === length ? piece : Buffer.alloc(length);
  }
}

function notesOn(unusable: readonly string[], left: number): string[] {
  const names = unusable.slice(0, MOST_NAMED).join(", ");
  const more = unusable.length > MOST_NAMED ? ` and ${unusable.length - MOST_NAMED} more` : "";
  const most = `${LFS_ROOM.objects} objects or ${formatSize(LFS_ROOM.bytes)}`;
  return [
    ...unusable.length === 0 ? [] : [
      `Git LFS: not used from this machine, expected a file of the pointer's size without symbolic links: ${names}${more}`,
    ],
    ...left === 0 ? [] : [`Git LFS: ${counted(left, "object")} of this machine not used, beyond ${most}`],
  ];
}

/** Yields the pointers among the files to be checked out. */
async function* pointersIn(
  top: string,
  { store, sparse, signal }: { store: ObjectStore; sparse: readonly string[]; signal: AbortSignal },
): AsyncGenerator<Pointer> {
  const pace = pacer(signal);
  const wanted = sparse.map((folder) => `${Buffer.from(folder).toString("latin1").replace(/\/*$/, "")}/`);
  const waiting = [{ id: top, path: "" }];
  // A tree may be in many places. A damaged one may even contain itself.
  const seen = new Set<string>();
  for (let at = waiting.pop(); at; at = waiting.pop()) {
    const { id: tree, path: above } = at;
    const isWhole = wanted.length === 0 || wanted.some((folder) => above.startsWith(folder));
    const key = isWhole ? tree : `${tree} ${above}`;
    if (seen.has(key)) continue;
    seen.add(key);
    for (const { mode, name, id } of treeEntries(tree, store.read(tree).bytes)) {
      const path = `${above}${name}/`;
      // git's cone: what is below a folder, and the files right in those above it.
      const isWanted = wanted.length === 0 ||
        wanted.some((folder) => folder.startsWith(path) || path.startsWith(folder));
      if (mode === "40000" && isWanted) waiting.push({ id, path });
      if (mode.startsWith("100") && !store.isLarger(id, MOST_POINTER_BYTES)) {
        const [, oid, size] = POINTER.exec(store.read(id).bytes.toString("latin1")) ?? [];
        if (oid !== undefined) yield { oid, size: Number(size) };
      }
      await pace();
    }
  }
}

/** Returns the size of an object's file; undefined if it is missing, and NaN if it may not be used. */
function sizeOf(folder: GitFolder, name: string): number | undefined {
  try {
    using file = openObject(folder, name);
    return file?.size;
  } catch (error) {
    if (error instanceof InputError || error instanceof UnavailableError) return NaN;
    throw error;
  }
}

/** Undefined if it is missing. Throws InputError or UnavailableError if it may not be used. */
function openObject(folder: GitFolder, name: string): OpenFile | undefined {
  const segments = name.split("/");
  for (let i = 1; i <= segments.length; i++) {
    const above = segments.slice(0, i).join("/");
    if (folder.linkAt(above) === undefined) continue;
    throw new InputError(`Cannot use "${folder.shown(above)}": expected no symbolic link`);
  }
  return folder.open(name);
}
