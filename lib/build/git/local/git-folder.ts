import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type Stats,
} from "node:fs";
import { InputError } from "../../../base/errors.ts";
import { ifThere } from "../../../base/files.ts";
import { formatSize } from "../../../base/units.ts";

const MOST_LINKS = 8;
/** NONBLOCK: opening a FIFO without a writer would block forever. */
const OPEN = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** A regular file, open for reading. */
export interface OpenFile extends Disposable {
  readonly path: string;
  readonly size: number;
  /** Whether its owner may execute it. */
  readonly isExecutable: boolean;
  /** Reads up to `length` bytes at an offset. Returns fewer at the file's end. */
  read(offset: number, length: number): Buffer;
}

/**
 * A folder of git data, which may come from somebody else. Nothing outside it is ever opened. Each component
 * of a name is checked before use, a symbolic link is resolved here and refused if it leaves the folder, and
 * only regular files are opened. Names are the bytes of a path as Latin-1 text, separated by "/".
 *
 * Throws InputError with the path for what is refused, and UnavailableError for what cannot be read.
 */
export class GitFolder {
  /** Absolute path. */
  readonly path: string;
  /** The boundary of all access: this folder or one that contains it. */
  readonly #root: string;
  /** This folder's name below the root with a trailing "/"; empty for the root. */
  readonly #prefix: string;
  /** Names known to be folders and not links. */
  readonly #folders = new Set<string>();

  /** `root` is a path without links; `below` is a name in it. */
  constructor(root: string, below = "") {
    this.#root = root;
    this.#prefix = below === "" ? "" : `${below}/`;
    this.path = below === "" ? root : `${root}/${below}`;
  }

  /** Returns a folder in this one, which need not exist. Its links may lead anywhere in this one. */
  sub(name: string): GitFolder {
    return new GitFolder(this.#root, this.#prefix + name);
  }

  /** Returns a path for messages. */
  shown(name: string): string {
    return this.#shown(this.#prefix + name);
  }

  kind(name: string): "file" | "folder" | "nothing" {
    const found = this.#find(name);
    if (!found) return "nothing";
    if (found.stats.isDirectory()) return "folder";
    if (found.stats.isFile()) return "file";
    throw new InputError(`Cannot read "${this.shown(name)}": expected a regular file`);
  }

  /** Returns a stamp that changes when the file is replaced. Undefined if the file is missing. */
  stamp(name: string): string | undefined {
    const stats = this.#find(name)?.stats;
    return stats && `${stats.ino} ${stats.size} ${stats.mtimeMs}`;
  }

  /** Returns the target of the link with this name, as written. Undefined for anything else. */
  linkAt(name: string): string | undefined {
    const slash = name.lastIndexOf("/");
    const parent = this.#find(name.slice(0, Math.max(0, slash)));
    if (!parent) return undefined;
    const own = `${parent.name}/${name.slice(slash + 1)}`.replace(/^\//, "");
    return this.#lstat(own)?.isSymbolicLink() ? this.#readLink(own) : undefined;
  }

  /** Returns the names in a folder; empty if it is missing. */
  names(folder: string): string[] {
    const found = this.#find(folder);
    if (!found) return [];
    const shown = this.shown(folder);
    if (!found.stats.isDirectory()) throw new InputError(`Cannot read "${shown}": expected a folder`);
    const entries = ifThere(shown, () => readdirSync(this.#pathOf(found.name), { encoding: "buffer" })) ?? [];
    return entries.map((entry) => Buffer.from(entry).toString("latin1"));
  }

  /** Reads a whole file. Undefined if it is missing. Throws InputError if it has more than `most` bytes. */
  read(name: string, most: number): Buffer | undefined {
    using file = this.open(name);
    if (!file) return undefined;
    const bytes = file.read(0, Math.min(file.size, most) + 1);
    if (bytes.length <= most) return bytes;
    throw new InputError(`Cannot use "${file.path}": it is larger than ${formatSize(most)}`);
  }

  /** Like `read`, as Latin-1 text. */
  text(name: string, most: number): string | undefined {
    return this.read(name, most)?.toString("latin1");
  }

  open(name: string): OpenFile | undefined {
    const found = this.#find(name);
    if (!found) return undefined;
    const path = this.shown(name);
    if (!found.stats.isFile()) throw new InputError(`Cannot read "${path}": expected a regular file`);
    const descriptor = ifThere(path, () => openSync(this.#pathOf(found.name), OPEN));
    if (descriptor === undefined) return undefined;
    const stats = fstatSync(descriptor);
    if (!stats.isFile() || stats.ino !== found.stats.ino || stats.dev !== found.stats.dev) {
      closeSync(descriptor);
      throw new InputError(`Cannot read "${path}": it was replaced while it was opened`);
    }
    return openFile(descriptor, path, stats);
  }

  #find(name: string): { name: string; stats: Stats } | undefined {
    return this.#locate(this.#prefix + name);
  }

  /**
   * Resolves links. Returns the name below the root and its stats, or undefined if a part of it is missing.
   */
  #locate(name: string): { name: string; stats: Stats } | undefined {
    let waiting = name.split("/");
    let here = "";
    let links = 0;
    let stats: Stats | undefined;
    while (waiting.length > 0) {
      const [segment = "", ...rest] = waiting;
      waiting = rest;
      if (segment === "" || segment === ".") continue;
      if (segment === "..") {
        if (here === "") throw this.#leaving(name);
        here = here.slice(0, Math.max(0, here.lastIndexOf("/")));
        stats = undefined;
        continue;
      }
      const next = here === "" ? segment : `${here}/${segment}`;
      if (rest.length > 0 && this.#folders.has(next)) {
        here = next;
        continue;
      }
      stats = this.#lstat(next);
      if (!stats) return undefined;
      if (stats.isSymbolicLink()) {
        if (++links > MOST_LINKS) throw new InputError(`Cannot read "${this.#shown(name)}": too many links`);
        const target = this.#readLink(next);
        const own = `${Buffer.from(this.#root).toString("latin1")}/`;
        if (target.startsWith("/") && !target.startsWith(own)) throw this.#leaving(name);
        if (target.startsWith("/")) here = "";
        waiting = [...(target.startsWith("/") ? target.slice(own.length) : target).split("/"), ...waiting];
        continue;
      }
      if (stats.isDirectory()) this.#folders.add(next);
      else if (rest.some((one) => one !== "")) return undefined;
      here = next;
    }
    stats ??= this.#lstat(here);
    return stats && { name: here, stats };
  }

  #leaving(name: string): InputError {
    return new InputError(
      `Cannot read "${
        this.#shown(name)
      }": a symbolic link leads out of "${this.#root}", and none is followed there`,
    );
  }

  #shown(name: string): string {
    return `${this.#root}/${Buffer.from(name, "latin1").toString("utf8")}`;
  }

  #lstat(name: string): Stats | undefined {
    return ifThere(this.#shown(name), () => lstatSync(this.#pathOf(name)));
  }

  #readLink(name: string): string {
    try {
      return Buffer.from(readlinkSync(this.#pathOf(name), { encoding: "buffer" })).toString("latin1");
    } catch (cause) {
      throw new InputError(`Cannot read the link "${this.#shown(name)}"`, { cause });
    }
  }

  #pathOf(name: string): string | Buffer {
    if (name === "") return this.#root;
    // deno-lint-ignore no-control-regex
    if (/^[\x01-\x7f]*$/.test(name)) return `${this.#root}/${name}`;
    const bytes = Buffer.from(name, "latin1");
    const text = bytes.toString("utf8");
    // Deno cannot open a path that is not UTF-8: the file seems to be missing. `Refs` detects that.
    return Buffer.from(text).equals(bytes)
      ? `${this.#root}/${text}`
      : Buffer.concat([Buffer.from(`${this.#root}/`), bytes]);
  }
}

function openFile(descriptor: number, path: string, { size, mode }: Stats): OpenFile {
  let isOpen = true;
  return {
    path,
    size,
    isExecutable: (mode & 0o100) !== 0,
    read(offset, length) {
      const bytes = Buffer.allocUnsafe(length);
      let filled = 0;
      while (filled < length) {
        const count = readSync(descriptor, bytes, filled, length - filled, offset + filled);
        if (count === 0) break;
        filled += count;
      }
      return bytes.subarray(0, filled);
    },
    [Symbol.dispose]() {
      if (isOpen) closeSync(descriptor);
      isOpen = false;
    },
  };
}
