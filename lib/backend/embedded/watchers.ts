import { processLog } from "../../base/log.ts";

/** Whom to tell of changes, by key. They are told after the change's caller has gone on. */
export class Watchers {
  readonly #watchers = new Map<string, Set<() => void>>();

  add(key: string, changed: () => void): AsyncDisposable {
    const watchers = this.#watchers.get(key) ?? new Set();
    this.#watchers.set(key, watchers);
    // Two who add the same function are two.
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

  /** Something has changed, and nobody knows what. */
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
      processLog("backend").error("Cannot tell of a change of {key}: {error}", { key, error });
    }
  }
}
