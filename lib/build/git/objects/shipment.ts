import { setImmediate as turn } from "node:timers/promises";
import type { Refs } from "../local/refs.ts";
import type { LocalSource } from "../local-source.ts";
import { corrupt, parseCommit, parseTag, readTree } from "./format.ts";
import type { ObjectStore } from "./object-store.ts";
import { Chosen } from "./chosen.ts";

/**
 * The part of a repository to send: the objects that one commit reaches within a depth, and the refs to them.
 */
export interface Shipment {
  readonly chosen: Chosen;
  readonly refs: readonly { readonly name: string; readonly id: string }[];
  /** Commits whose parents are not sent. */
  readonly shallow: readonly string[];
}

const MOST_SHALLOW_BYTES = 16 * 1024 * 1024;
const MOST_TAGS_OF_TAGS = 16;
/** Longest time that reading may block this process, milliseconds. */
const TURN_MS = 10;

/**
 * Chooses the objects to send. `depth` counts commits; 0 means all. Reads nothing else of the repository: no
 * other branch, no stash, no staged object that was never committed. Throws InputError for missing or damaged
 * objects.
 */
export async function chooseObjects(
  source: LocalSource,
  { store, refs, commit, depth, signal }: {
    store: ObjectStore;
    /** Refs to send if they lead to a chosen commit; none if omitted. */
    refs?: Refs;
    commit: string;
    depth: number;
    signal: AbortSignal;
  },
): Promise<Shipment> {
  const chosen = new Chosen(store);
  const cut = shallowOf(source);
  const shallow: string[] = [];
  const pace = pacer(signal);
  let generation = [commit];
  chosen.add(commit);
  for (let distance = 1; generation.length > 0; distance++) {
    const next: string[] = [];
    for (const id of generation) {
      const { type, bytes } = store.read(id);
      if (type !== "commit") throw corrupt(`the object ${id}`, `it is a ${type}, expected a commit`);
      const { tree, parents } = parseCommit(id, bytes);
      await addTree(tree, { store, chosen, pace });
      if (cut.has(id) || distance === depth) {
        if (parents.length > 0) shallow.push(id);
        continue;
      }
      for (const parent of parents) if (chosen.add(parent)) next.push(parent);
      await pace();
    }
    generation = next;
  }
  const leading = [];
  for (const kind of ["heads", "tags", "remotes"]) {
    for (const ref of refs?.list(kind) ?? []) {
      if (leadsToChosen(ref.id, { store, chosen })) leading.push(ref);
      await pace();
    }
  }
  return { chosen, refs: leading, shallow };
}

async function addTree(
  top: string,
  { store, chosen, pace }: { store: ObjectStore; chosen: Chosen; pace: () => Promise<void> },
): Promise<void> {
  if (!chosen.add(top)) return;
  const waiting = [top];
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    const { type, bytes } = store.read(id);
    if (type !== "tree") throw corrupt(`the object ${id}`, `it is a ${type}, expected a tree`);
    const idBytes = id.length / 2;
    readTree(id, bytes, (at, isTree) => {
      const isNew = chosen.addAt(bytes, at, idBytes);
      if (isNew && isTree) waiting.push(bytes.toString("hex", at, at + idBytes));
    });
    await pace();
  }
}

/** Whether a ref leads to a chosen commit. If so, adds the ref's tag objects. */
function leadsToChosen(id: string, { store, chosen }: { store: ObjectStore; chosen: Chosen }): boolean {
  const tags: string[] = [];
  let at = id;
  let type = store.typeOf(at);
  for (; type === "tag" && tags.length < MOST_TAGS_OF_TAGS; type = store.typeOf(at)) {
    tags.push(at);
    at = parseTag(at, store.read(at).bytes);
  }
  // A tag may also name a tree or a file.
  if (type !== "commit" || !chosen.has(at)) return false;
  tags.forEach((tag) => chosen.add(tag));
  return true;
}

function shallowOf({ commonFolder }: LocalSource): ReadonlySet<string> {
  return new Set(
    (commonFolder.text("shallow", MOST_SHALLOW_BYTES) ?? "").split("\n").map((line) => line.trim()),
  );
}

/**
 * Returns a function that yields to other tasks after TURN_MS of work. Its promise rejects with
 * `signal.reason`.
 */
export function pacer(signal: AbortSignal): () => Promise<void> {
  let since = performance.now();
  return async () => {
    if (performance.now() - since < TURN_MS) return;
    await turn();
    signal.throwIfAborted();
    since = performance.now();
  };
}
