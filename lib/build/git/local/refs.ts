import { InputError } from "../../../base/errors.ts";
import type { LocalSource } from "../local-source.ts";

/** More than a ref's file ever holds: a path of the longest kind. */
const MOST_REF_BYTES = 8 * 1024;
const MOST_PACKED_BYTES = 64 * 1024 * 1024;
const MOST_SYMBOLIC = 5;
/** What a ref leads to: the name of the last one, and its object; no id where the last one is not there yet. */
export interface Resolved {
  readonly name: string;
  readonly id: string | undefined;
}

/** A ref that says nothing of use, or leads in circles. */
class BrokenRef extends InputError {}

/** What one ref says. */
type Value = { readonly id: string } | { readonly symbolic: string };

/**
 * The refs of a repository. Names are bytes as Latin-1 text. A ref's file that holds anything but an id or `ref: refs/…` is
 * refused with its path, and one that cannot be read is never taken for a missing one: an older value might be packed.
 */
export class Refs {
  readonly #source: LocalSource;
  readonly #id: RegExp;
  #packed: { readonly stamp: string | undefined; readonly refs: ReadonlyMap<string, string> } | undefined;

  constructor(source: LocalSource) {
    this.#source = source;
    this.#id = source.objectFormat === "sha1" ? /^[0-9a-f]{40}$/ : /^[0-9a-f]{64}$/;
  }

  /** Follows a ref through symbolic ones. Undefined where there is no such ref. */
  resolve(name: string): Resolved | undefined {
    let at = name;
    for (let i = 0; i <= MOST_SYMBOLIC; i++) {
      const value = this.#read(at);
      if (!value) return i === 0 ? undefined : { name: at, id: undefined };
      if ("id" in value) return { name: at, id: value.id };
      at = value.symbolic;
    }
    throw new BrokenRef(`Cannot resolve "${shown(name)}": its symbolic refs lead in circles`);
  }

  /** All refs below `refs/<kind>/` that lead to an object. As with git, broken ones are left out. */
  *list(kind: string): Generator<{ name: string; id: string }> {
    const { commonFolder } = this.#source;
    const loose = new Set<string>();
    const waiting = [`refs/${kind}`];
    for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
      for (const entry of commonFolder.names(folder)) {
        const name = `${folder}/${entry}`;
        if (!isRefName(name)) continue;
        if (this.#symbolicLink(name) === undefined && commonFolder.kind(name) === "folder") {
          waiting.push(name);
        } else {
          loose.add(name);
          const id = this.#idOf(name);
          if (id !== undefined) yield { name, id };
        }
      }
    }
    // Read after those: git packs a ref before it removes its file.
    for (const [name, id] of this.#packedRefs()) {
      if (name.startsWith(`refs/${kind}/`) && !loose.has(name)) yield { name, id };
    }
  }

  #idOf(name: string): string | undefined {
    try {
      return this.resolve(name)?.id;
    } catch (error) {
      if (error instanceof BrokenRef) return undefined;
      throw error;
    }
  }

  #read(name: string): Value | undefined {
    const { gitFolder, commonFolder } = this.#source;
    const isOwn = !name.startsWith("refs/") || /^refs\/(?:bisect|worktree|rewritten)\//.test(name);
    const folder = isOwn ? gitFolder : commonFolder;
    const link = this.#symbolicLink(name);
    if (link !== undefined) return { symbolic: link };
    // A folder of that name is no ref; an empty one may be left where a ref was packed.
    if (name.startsWith("refs/") && folder.kind(name) === "folder") return this.#packedRef(name);
    const text = folder.text(name, MOST_REF_BYTES);
    if (text === undefined) {
      this.#refuseUnopened(name);
      return this.#packedRef(name);
    }
    return this.#parse(text, folder.shown(name), name === "FETCH_HEAD");
  }

  #parse(text: string, path: string, isFetched: boolean): Value {
    const line = isFetched ? text.split(/[\t\n]/, 1)[0] ?? "" : text.trimEnd();
    if (this.#id.test(line)) return { id: line };
    const symbolic = /^ref:\s*(refs\/.+)$/s.exec(line)?.[1];
    if (symbolic !== undefined && isRefName(symbolic)) return { symbolic };
    throw new BrokenRef(`Cannot use "${path}": expected an object's id or "ref: refs/…" in it`);
  }

  /** In old repositories a symbolic ref is a link; its text is a name, and is not followed. */
  #symbolicLink(name: string): string | undefined {
    const folder = name.startsWith("refs/") ? this.#source.commonFolder : this.#source.gitFolder;
    const target = folder.linkAt(name);
    return target?.startsWith("refs/") && isRefName(target) ? target : undefined;
  }

  /** Throws InputError where a name that is not UTF-8 is there, but this runtime opens no such path. */
  #refuseUnopened(name: string): void {
    const bytes = Buffer.from(name, "latin1");
    if (Buffer.from(bytes.toString("utf8")).equals(bytes)) return;
    const slash = name.lastIndexOf("/");
    const lossy = Buffer.from(bytes.toString("utf8")).toString("latin1").slice(slash + 1);
    const folder = this.#source.commonFolder;
    if (!folder.names(name.slice(0, slash)).includes(lossy)) return;
    throw new InputError(
      `Cannot read "${
        folder.shown(name)
      }": its name is not UTF-8, which this runtime cannot open; "git pack-refs --all" puts it where it can be read`,
    );
  }

  #packedRef(name: string): Value | undefined {
    const id = this.#packedRefs().get(name);
    return id === undefined ? undefined : { id };
  }

  /** Read again when the file has changed: git may pack a ref in the moment after its own file was found missing. */
  #packedRefs(): ReadonlyMap<string, string> {
    const stamp = this.#source.commonFolder.stamp("packed-refs");
    if (!this.#packed || this.#packed.stamp !== stamp) this.#packed = { stamp, refs: this.#readPacked() };
    return this.#packed.refs;
  }

  #readPacked(): Map<string, string> {
    const folder = this.#source.commonFolder;
    const refs = new Map<string, string>();
    const lines = (folder.text("packed-refs", MOST_PACKED_BYTES) ?? "").split("\n");
    for (const [i, line] of lines.entries()) {
      // "^" has the object that the tag above it names.
      if (line === "" || line.startsWith("#") || line.startsWith("^")) continue;
      const space = line.indexOf(" ");
      const [id, name] = [line.slice(0, space), line.slice(space + 1).replace(/\r$/, "")];
      if (!this.#id.test(id) || !name.startsWith("refs/")) {
        throw new InputError(`Cannot use "${folder.shown("packed-refs")}": line ${i + 1} is no ref`);
      }
      if (isRefName(name)) refs.set(name, id);
    }
    return refs;
  }
}

/** git's rules for a ref's full name, in bytes. */
export function isRefName(name: string): boolean {
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|^\/|\/$|\.$/.test(name)) return false;
  return name.split("/").every((part) => !part.startsWith(".") && !part.endsWith(".lock"));
}

const shown = (name: string): string => Buffer.from(name, "latin1").toString("utf8");
