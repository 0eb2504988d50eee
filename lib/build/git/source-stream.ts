import { findModules, type LocalModule } from "./local/modules.ts";
import { lfsArchive } from "./local/lfs-archive.ts";
import { findLfsObjects, LFS_ROOM, type LfsPart } from "./local/lfs-objects.ts";
import { isRefName, Refs } from "./local/refs.ts";
import type { PinnedCommit } from "./local/resolve-commit.ts";
import type { LocalSource } from "./local-source.ts";
import { ObjectStore } from "./objects/object-store.ts";
import { chooseObjects, type Shipment } from "./objects/shipment.ts";
import { writePack } from "./objects/write-pack.ts";

/**
 * Streams a repository to the clone script (its `receive`): lines of text, tar archives of Git LFS objects,
 * then a pack.
 *
 *     sha1 | sha256
 *     ref: refs/heads/main | the commit
 *     <id> <ref>                for each ref to a sent object, then an empty line
 *     <commit>                  for each commit without its parents, then an empty line
 *     <commit> modules/<name>   for each sent submodule, then an empty line
 *     <commit> modules/<name>   for each submodule commit without its parents, then an empty line
 *     <text>                    for each line for the log, then an empty line
 *     <bytes> <git folder>      for each archive of Git LFS objects, then an empty line
 *
 * Reads and sends only what the commit reaches within the depth: no configuration, no hooks, and nothing that
 * was staged, stashed or committed elsewhere. Throws InputError for missing or damaged data.
 */
export async function* sourceStream(
  source: LocalSource,
  { pinned, depth, submodules = false, lfs = false, sparse = [], signal }: {
    pinned: PinnedCommit;
    depth: number;
    /** Whether to send the submodules whose commits are stored here; default false. */
    submodules?: boolean;
    /** Whether to send the Git LFS objects that are stored here; default false. */
    lfs?: boolean;
    /** The only folders whose Git LFS objects are sent; empty for all. */
    sparse?: readonly string[];
    signal: AbortSignal;
  },
): AsyncGenerator<Uint8Array> {
  using opened = new DisposableStack();
  const store = opened.use(new ObjectStore(source));
  const refs = new Refs(source);
  const { commit } = pinned;
  const { objectFormat: algorithm } = source;
  const shipment = await chooseObjects(source, { store, refs, commit, depth, signal });
  const parts = [{ store, chosen: shipment.chosen }];
  const lfsParts: (LfsPart & { gitFolder: string })[] = [{ source, store, commit, gitFolder: ".git" }];
  const modules: string[] = [];
  const shallowModules: string[] = [];
  for (const module of submodules ? findModules({ source, store, commit }, opened) : []) {
    const { chosen, shallow } = await chooseModule(module, { depth, signal });
    parts.push({ store: module.store, chosen });
    lfsParts.push({ ...module, gitFolder: `.git/${module.folder}` });
    modules.push(`${module.commit} ${module.folder}`);
    for (const id of shallow) shallowModules.push(`${id} ${module.folder}`);
  }
  const room = { ...LFS_ROOM };
  const notes: string[] = [];
  const archives = [];
  for (const [i, part] of lfs ? lfsParts.entries() : []) {
    const found = await findLfsObjects(part, { sparse: i === 0 ? sparse : [], room, signal });
    notes.push(...found.notes);
    if (found.objects.length > 0) {
      archives.push({ ...lfsArchive(found.objects), gitFolder: part.gitFolder });
    }
  }
  const blocks = [
    [algorithm, headOf(pinned), ...refLines(pinned, shipment)],
    shipment.shallow,
    modules,
    shallowModules,
    notes,
    archives.map(({ size, gitFolder }) => `${size} ${gitFolder}`),
  ];
  yield Buffer.from(blocks.map((lines) => [...lines, "", ""].join("\n")).join(""), "latin1");
  for (const archive of archives) {
    for (const piece of archive.bytes()) {
      yield piece;
      signal.throwIfAborted();
    }
  }
  yield* writePack(parts, { algorithm, signal });
}

function chooseModule(
  { source, store, commit }: LocalModule,
  { depth, signal }: { depth: number; signal: AbortSignal },
): Promise<Shipment> {
  return chooseObjects(source, { store, commit, depth, signal });
}

/**
 * Keeps a branch as a branch, so that the build knows its name. Anything else becomes a commit without a
 * branch.
 */
function headOf({ commit, ref }: PinnedCommit): string {
  return ref.startsWith("refs/heads/") ? `ref: ${bytesOf(ref)}` : commit;
}

/**
 * Returns the refs to send. The requested branch or tag points to the pinned commit, even if it has moved
 * since.
 */
function refLines({ commit, ref }: PinnedCommit, { refs }: Shipment): string[] {
  const pinned = bytesOf(ref);
  const others = refs.filter(({ name }) => name !== pinned);
  const own = refs.find(({ name, id }) =>
    name === pinned && !pinned.startsWith("refs/heads/") && id !== commit
  );
  const all = pinned.startsWith("refs/") && isRefName(pinned)
    ? [...others, own ?? { id: commit, name: pinned }]
    : others;
  return all.map(({ id, name }) => `${id} ${name}`);
}

const bytesOf = (ref: string): string => Buffer.from(ref).toString("latin1");
