import { ConflictError, type Store } from "../../backend/store.ts";
import type { Secrets } from "../../wire/secrets.ts";
import { seal, unseal } from "./seal.ts";

const PAGE = 100;

/** The secrets of open runs, sealed in the store. */
export class Vault {
  readonly #store: Store;
  readonly #key: Uint8Array;
  /** Runs without a record at the last sweep: their submission is in progress, or a crash ended it. */
  #missing = new Set<string>();

  constructor(store: Store, key: Uint8Array) {
    this.#store = store;
    this.#key = key;
  }

  /**
   * Stores a run's secrets. Call it before storing the run, so that no step starts without them. Replaces
   * secrets that a crash left under this id.
   */
  async keep(run: string, secrets: Secrets): Promise<void> {
    if (Object.keys(secrets).length === 0) return;
    const { revision } = await this.#store.secrets.get(run) ?? { revision: 0 };
    await this.#store.secrets.put(run, seal(secrets, run, this.#key), revision);
  }

  /** Returns the run's secrets, or undefined if it has none. Throws if they cannot be unsealed. */
  async open(run: string): Promise<Secrets | undefined> {
    const sealed = await this.#store.secrets.get(run);
    return sealed && unseal(sealed.value, run, this.#key);
  }

  async forget(run: string): Promise<void> {
    const found = await this.#store.secrets.get(run);
    if (!found) return;
    await this.#store.secrets.delete(run, found.revision).catch((error) => {
      if (!(error instanceof ConflictError)) throw error;
    });
  }

  /**
   * Removes the secrets of ended runs, and those without a run in two consecutive sweeps, which a crash has
   * left.
   */
  async sweep(): Promise<void> {
    const missing = new Set<string>();
    let after = "";
    let isLast = false;
    while (!isLast) {
      const page = await this.#store.secrets.list({ limit: PAGE, after });
      for (const { key } of page) {
        const run = await this.#store.runs.get(key);
        if (!run) missing.add(key);
        if (run ? run.value.outcome !== undefined : this.#missing.has(key)) await this.forget(key);
      }
      after = page.at(-1)?.key ?? after;
      isLast = page.length < PAGE;
    }
    this.#missing = missing;
  }
}
