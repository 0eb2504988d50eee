import type { Store } from "../../backend/store.ts";
import { InputError } from "../../base/errors.ts";
import type { Run } from "../../wire/run.ts";

/** Returns the run's record as it is now. Throws InputError if there is none. */
export async function readRun(store: Store, id: string): Promise<Run> {
  const found = await store.runs.get(id);
  if (!found) throw new InputError(`Unknown run "${id}"`);
  return found.value;
}
