import type { Clock } from "../../../base/clock.ts";
import type { Store } from "../../../backend/store.ts";
import { isRunId } from "../../../wire/ids.ts";
import type { Run } from "../../../wire/run.ts";
import type { ResourceType } from "../../core/resource-type.ts";
import type { Engine } from "../../shell/engine.ts";
import { Problem } from "../problem.ts";

/** What the routes of runs need. Whoever serves only a history gives an engine that refuses what it cannot do. */
export interface RunParts {
  readonly store: Store;
  readonly engine: Pick<Engine, "submit" | "stop" | "whyWaiting">;
  readonly clock: Clock;
  /** Resource types that are registered here. Resources of any other type are taken too, with a pipeline beside them. */
  readonly resourceTypes: readonly ResourceType[];
  /** Between two signs of life where nothing else is sent, milliseconds. */
  readonly beatMs: number;
  /** Throws Problem where no run is taken just now. */
  readonly admit: () => Promise<void>;
}

/** The run of this id. Throws Problem 404. */
export async function knownRun({ runs }: Pick<Store, "runs">, id: string): Promise<Run> {
  const found = isRunId(id) ? await runs.get(id) : undefined;
  if (!found) throw new Problem(404, `Unknown run "${id.slice(0, 100)}"`);
  return found.value;
}
