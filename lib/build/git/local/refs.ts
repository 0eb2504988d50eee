import { InputError } from "../../../base/errors.ts";
import type { LocalSource } from "../local-source.ts";

/** Above the size of any ref file, which holds at most one path. */
const MOST_REF_BYTES = 8 * 1024;
const MOST_PACKED_BYTES = 64 * 1024 * 1024;
const MOST_SYMBOLIC = 5;
/**
 * The end of a chain of refs: its last name and that ref's object. `id` is undefined if the last ref does not
 * exist yet.
 */
export interface Resolved {
  readonly name: string;
  readonly id: string | undefined;
}

/** A ref with invalid content, or one in a cycle. */
class BrokenRef extends InputError {}

/** The content of one ref. */
type Value = { readonly id: string } | { readonly symbolic: string };

/**
 * The refs of a repository. Names are bytes as Latin-1 text. Throws InputError with the path for a ref's file
 * that holds anything but an id or `ref: refs/…`. A file that cannot be read is an error, not a missing ref:
 * an older value might be packed.
 */
export class Refs {
  readonly #source: LocalSource;
  readonly #id: RegExp;
  #packed: { readonly stamp: string | undefined; readonly refs: ReadonlyMap<string, string> } | undefined;

  constructor(source: LocalSource) {
    this.#source = source;
    this.#id = source.objectFormat === "sha1" ? /^[0-9a-f]{40}$/ : /^[0-9a-f]{64}$/;
  }

  /** Follows a ref through symbolic refs. Undefined if there is no such ref. */
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

  /** Lists the refs below `refs/<kind>/` that lead to an object. Omits broken refs, as git does. */
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
    // Read last: git packs a ref before it removes the ref's file.
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
    // A folder is not a ref. An empty one may remain where a ref was packed.
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

  /**
   * Returns the target of a symbolic ref that is a link, as in old repositories. The target is a ref's name;
   * the link is not followed.
   */
  #symbolicLink(name: string): string | undefined {
    const folder = name.startsWith("refs/") ? this.#source.commonFolder : this.#source.gitFolder;
    const target = folder.linkAt(name);
    return target?.startsWith("refs/") && isRefName(target) ? target : undefined;
  }

  /** Throws InputError if the ref exists under a name that is not UTF-8, which this runtime cannot open. */
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

  /**
   * Reads the packed refs again if the file has changed: git may pack a ref just after its own file was found
   * missing.
   */
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
      // A "^" line has the object of the tag above it.
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

/** Whether a name is a valid full ref name by git's rules, in bytes. */
export function isRefName(name: string): boolean {
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|^\/|\/$|\.$/.test(name)) return false;
  return name.split("/").every((part) => !part.startsWith(".") && !part.endsWith(".lock"));
}

const shown = (name: string): string => Buffer.from(name, "latin1").toString("utf8");
