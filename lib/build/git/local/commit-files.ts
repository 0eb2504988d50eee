import { InputError } from "../../../base/errors.ts";
import { formatSize } from "../../../base/units.ts";
import type { LocalSource } from "../local-source.ts";
import { entryAt, type TreeEntry } from "../objects/entry-at.ts";
import { parseCommit } from "../objects/format.ts";
import { ObjectStore } from "../objects/object-store.ts";

/** The files of a commit of a local repository, read from its objects: the working tree does not count. */
export class CommitFiles implements Disposable {
  readonly #store: ObjectStore;
  readonly #commit: string;
  readonly #tree: string;

  /** Throws InputError for damaged data. */
  constructor(source: LocalSource, commit: string) {
    this.#store = new ObjectStore(source);
    this.#commit = commit;
    this.#tree = parseCommit(commit, this.#store.read(commit).bytes).tree;
  }

  [Symbol.dispose](): void {
    this.#store[Symbol.dispose]();
  }

  /** Whether the commit has anything at this path. */
  has(path: string): boolean {
    return this.#entry(path) !== undefined;
  }

  /**
   * Returns the bytes of a file; undefined if there is none. Throws InputError if it is no regular file or
   * has more than `most` bytes.
   */
  read(path: string, most: number): Buffer | undefined {
    const entry = this.#entry(path);
    if (!entry) return undefined;
    const shown = `"${path}" of the commit ${this.#commit.slice(0, 12)}`;
    if (!entry.mode.startsWith("100")) {
      throw new InputError(
        `Cannot use ${shown}: it is ${
          entry.mode === "120000" ? "a symbolic link" : "no file"
        }, expected a file`,
      );
    }
    const { bytes } = this.#store.read(entry.id);
    if (bytes.length <= most) return bytes;
    throw new InputError(`Cannot use ${shown}: it is larger than ${formatSize(most)}`);
  }

  #entry(path: string): TreeEntry | undefined {
    const names = Buffer.from(path).toString("latin1").split("/").filter((name) =>
      name !== "" && name !== "."
    );
    return entryAt(this.#store, this.#tree, names);
  }
}
