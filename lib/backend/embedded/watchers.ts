import { processLog } from "../../base/log.ts";

/** Change callbacks by key. They are called asynchronously, after the change's caller has continued. */
export class Watchers {
  readonly #watchers = new Map<string, Set<() => void>>();

  add(key: string, changed: () => void): AsyncDisposable {
    const watchers = this.#watchers.get(key) ?? new Set();
    this.#watchers.set(key, watchers);
    // A wrapper, so that the same function added twice is called twice.
    const own = () => changed();
    watchers.add(own);
    return {
      [Symbol.asyncDispose]: () => {
        watchers.delete(own);
        if (watchers.size === 0 && this.#watchers.get(key) === watchers) this.#watchers.delete(key);
        return Promise.resolve();
      },
    };
  }

  get isEmpty(): boolean {
    return this.#watchers.size === 0;
  }

  /** Calls all callbacks after a change whose key is not known. */
  tellAll(): void {
    for (const key of this.#watchers.keys()) this.tell(key);
  }

  tell(key: string): void {
    for (const changed of this.#watchers.get(key) ?? []) queueMicrotask(() => this.#call(key, changed));
  }

  #call(key: string, changed: () => void): void {
    if (!this.#watchers.get(key)?.has(changed)) return;
    try {
      changed();
    } catch (error) {
      processLog("backend").error("Cannot announce a change of {key}: {error}", { key, error });
    }
  }
}
