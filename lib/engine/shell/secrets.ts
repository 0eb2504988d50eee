import { ConflictError, type Store } from "../../backend/store.ts";
import type { Secrets } from "../../wire/secrets.ts";
import { seal, unseal } from "./seal.ts";

const PAGE = 100;

/** The secrets of open runs, sealed in the store. */
export class Vault {
  readonly #store: Store;
  readonly #key: Uint8Array;
  /** Runs that were missing when their secrets were last seen: being submitted, or never finished being so. */
  #missing = new Set<string>();

  constructor(store: Store, key: Uint8Array) {
    this.#store = store;
    this.#key = key;
  }

  /** Before the run is stored, so that no step can begin without them; what a crash left under this id is replaced. */
  async keep(run: string, secrets: Secrets): Promise<void> {
    if (Object.keys(secrets).length === 0) return;
    const { revision } = await this.#store.secrets.get(run) ?? { revision: 0 };
    await this.#store.secrets.put(run, seal(secrets, run, this.#key), revision);
  }

  /** Throws where they cannot be unsealed. */
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

  /** Forgets those whose run has ended and, at the second time they are met, those that have no run: a crash left them. */
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
