import { InputError } from "../../../base/errors.ts";
import type { LocalSource } from "../local-source.ts";
import { parseTag } from "../objects/format.ts";
import { ObjectStore } from "../objects/object-store.ts";
import { isRefName, Refs } from "./refs.ts";

/**
 * A commit and the name that it was requested by: a ref's full name, `HEAD` if that is not a branch, or empty
 * for an id.
 */
export interface PinnedCommit {
  readonly commit: string;
  readonly ref: string;
}

const MOST_TAGS_OF_TAGS = 16;

/**
 * Resolves a name to its current commit by git's rules: `HEAD` (the default), a full ref, a branch, a tag, a
 * remote's branch, an id or its beginning. Undefined if there is no such ref, or no commit yet. Throws
 * InputError for a name of two commits (git would warn and take one), for one that is not a commit, and for
 * damaged data; UnavailableError for what cannot be read.
 */
export function resolveCommit(source: LocalSource, text: string | undefined): PinnedCommit | undefined {
  const refs = new Refs(source);
  using store = new ObjectStore(source);
  const name = Buffer.from(text ?? "HEAD").toString("latin1");
  if (name === "HEAD") {
    const head = refs.resolve("HEAD");
    if (head?.id === undefined) return undefined;
    const commit = commitOf(head.id, { store, shown: "HEAD" });
    return { commit, ref: Buffer.from(head.name, "latin1").toString("utf8") };
  }
  const idLength = source.objectFormat === "sha1" ? 40 : 64;
  if (name.length === idLength && /^[0-9a-f]+$/i.test(name)) {
    const id = name.toLowerCase();
    return store.locate(id) && { commit: commitOf(id, { store, shown: id }), ref: "" };
  }
  return named(name, { refs, store }) ?? abbreviated(name, store);
}

function named(name: string, { refs, store }: { refs: Refs; store: ObjectStore }): PinnedCommit | undefined {
  const found = new Map<string, string>();
  for (const candidate of candidatesOf(name)) {
    const resolved = refs.resolve(candidate);
    if (resolved?.id === undefined) continue;
    const ref = candidate.startsWith("refs/") ? candidate : resolved.name;
    found.set(ref, commitOf(resolved.id, { store, shown: ref }));
  }
  if (new Set(found.values()).size > 1) {
    throw new InputError(
      `The ref "${shown(name)}" is ambiguous: expected one of ${
        [...found.keys()].map((ref) => `"${shown(ref)}"`).join(", ")
      }`,
    );
  }
  const [first] = found;
  return first && { commit: first[1], ref: shown(first[0]) };
}

/** Returns the full names that a name may stand for. If several are the same commit, the first counts. */
function candidatesOf(name: string): string[] {
  if (!isRefName(name)) return [];
  const below = ["heads/", "tags/", "", "remotes/"].map((kind) => `refs/${kind}${name}`);
  const special = name.startsWith("refs/") || /^[A-Z][A-Z_]*HEAD$/.test(name) ? [name] : [];
  return [...special, ...below, `refs/remotes/${name}/HEAD`];
}

function abbreviated(name: string, store: ObjectStore): PinnedCommit | undefined {
  if (!/^[0-9a-f]{4,}$/i.test(name)) return undefined;
  const ids = store.beginningWith(name.toLowerCase()).filter((id) =>
    ["commit", "tag"].includes(store.typeOf(id) ?? "")
  );
  if (ids.length > 1) {
    throw new InputError(
      `The commit "${name}" is ambiguous: expected more of its id, as in ${ids.join(" or ")}`,
    );
  }
  const [id] = ids;
  return id === undefined ? undefined : { commit: commitOf(id, { store, shown: name }), ref: "" };
}

/** Returns the commit of an object, following tags. */
function commitOf(id: string, { store, shown: name }: { store: ObjectStore; shown: string }): string {
  let at = id;
  for (let i = 0; i <= MOST_TAGS_OF_TAGS; i++) {
    const type = store.typeOf(at);
    if (type === "commit") return at;
    if (type === undefined) throw store.missing(at);
    if (type !== "tag") throw new InputError(`The ref "${shown(name)}" names a ${type}: expected a commit`);
    at = parseTag(at, store.read(at).bytes);
  }
  throw new InputError(`The ref "${shown(name)}" names a tag of too many tags: expected a commit`);
}

const shown = (name: string): string => Buffer.from(name, "latin1").toString("utf8");
