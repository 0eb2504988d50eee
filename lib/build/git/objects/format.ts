import { InputError } from "../../../base/errors.ts";

/** git's object types, with their numbers in a pack. */
export const TYPES = { commit: 1, tree: 2, blob: 3, tag: 4 } as const;
export type ObjectType = keyof typeof TYPES;
/** Types of objects that a pack stores as a difference from another object. */
export const OFFSET_DELTA = 6;
export const ID_DELTA = 7;

/** Largest object that may be held in memory, bytes. Only blobs that are stored whole may be larger. */
export const MOST_WHOLE_BYTES = 256 * 1024 * 1024;

const NEWLINE = 0x0a;

/** A whole object. */
export interface GitObject {
  readonly type: ObjectType;
  readonly bytes: Buffer;
}

/** Returns the error for data that violates git's format. `where` names the object or file. */
export function corrupt(where: string, what: string): InputError {
  return new InputError(`Cannot use ${where}: ${what}; "git fsck" says more`);
}

export function typeOf(number: number): ObjectType | undefined {
  return (Object.keys(TYPES) as ObjectType[]).find((type) => TYPES[type] === number);
}

/** Encodes the header of an object's data in a pack. */
export function packHeader(type: number, size: number): Buffer {
  const bytes: number[] = [];
  let byte = (type << 4) | (size % 16);
  let rest = Math.floor(size / 16);
  while (rest > 0) {
    bytes.push(byte | 0x80);
    byte = rest % 128;
    rest = Math.floor(rest / 128);
  }
  return Buffer.from([...bytes, byte]);
}

/** Encodes the distance to a delta's base in a pack. */
export function packDistance(distance: number): Buffer {
  const bytes = [distance % 128];
  for (let rest = Math.floor(distance / 128); rest > 0; rest = Math.floor(rest / 128)) {
    rest -= 1;
    bytes.unshift(0x80 | (rest % 128));
  }
  return Buffer.from(bytes);
}

/**
 * Returns the tree and parents of a commit. Reads no further than these lines: a hostile commit may have
 * millions of others. Throws InputError.
 */
export function parseCommit(id: string, bytes: Buffer): { tree: string; parents: string[] } {
  let start = 0;
  const nextId = (word: string): string | undefined => {
    const end = start + word.length + id.length;
    const found = idAfter(word, bytes.toString("latin1", start, end), id.length);
    if (found === undefined || (end < bytes.length && bytes[end] !== NEWLINE)) return undefined;
    start = end + 1;
    return found;
  };
  const tree = nextId("tree ");
  if (tree === undefined) throw corrupt(`commit ${id}`, "it has no tree");
  const parents: string[] = [];
  for (let parent = nextId("parent "); parent !== undefined; parent = nextId("parent ")) parents.push(parent);
  return { tree, parents };
}

/** Returns the object that a tag names. Throws InputError. */
export function parseTag(id: string, bytes: Buffer): string {
  const target = idAfter("object ", bytes.toString("latin1", 0, 7 + id.length), id.length);
  if (target !== undefined) return target;
  throw corrupt(`tag ${id}`, "it names no object");
}

function idAfter(word: string, line: string | undefined, length: number): string | undefined {
  const id = line?.startsWith(word) ? line.slice(word.length) : "";
  return id.length === length && /^[0-9a-f]+$/.test(id) ? id : undefined;
}

/**
 * Yields the entries of a tree, names as Latin-1 text, modes without the zero that old tools wrote before
 * them. Throws InputError.
 */
export function* treeEntries(
  id: string,
  bytes: Buffer,
): Generator<{ mode: string; name: string; id: string }> {
  const idBytes = id.length / 2;
  for (let start = 0; start < bytes.length;) {
    const at = bytes.indexOf(0, start) + 1;
    if (at === 0 || at + idBytes > bytes.length) throw corrupt(`tree ${id}`, "it is cut off");
    const [mode = "", ...name] = bytes.toString("latin1", start, at - 1).split(" ");
    yield {
      mode: mode.replace(/^0+/, ""),
      name: name.join(" "),
      id: bytes.toString("hex", at, at + idBytes),
    };
    start = at + idBytes;
  }
}

/**
 * Calls `use` for each object of a tree, with the position of its id. Skips submodules, whose commits are
 * elsewhere. Throws InputError.
 */
export function readTree(id: string, bytes: Buffer, use: (at: number, isTree: boolean) => void): void {
  const idBytes = id.length / 2;
  for (let start = 0; start < bytes.length;) {
    const at = bytes.indexOf(0, start) + 1;
    if (at === 0 || at + idBytes > bytes.length) throw corrupt(`tree ${id}`, "it is cut off");
    // "40000" is a folder, also as "040000"; "160000" is a submodule.
    while (bytes[start] === 0x30) start++;
    const isSubmodule = bytes[start] === 0x31 && bytes[start + 1] === 0x36;
    if (!isSubmodule) use(at, bytes[start] === 0x34);
    start = at + idBytes;
  }
}
