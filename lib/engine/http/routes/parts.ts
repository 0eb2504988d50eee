import type { Context } from "hono";
import type { Clock } from "../../../base/clock.ts";
import type { Store } from "../../../backend/store.ts";
import { isRunId } from "../../../wire/ids.ts";
import type { Run } from "../../../wire/run.ts";
import type { Catalog } from "../../shell/catalog.ts";
import type { Engine } from "../../shell/engine.ts";
import { runOfKey } from "../idempotency.ts";
import { Problem } from "../problem.ts";

/**
 * What the run routes need. A caller that serves only a history passes an engine that rejects what it cannot
 * do.
 */
export interface RunParts {
  readonly store: Store;
  readonly engine: Pick<Engine, "submit" | "stop" | "whyWaiting">;
  readonly clock: Clock;
  /** The known resource types. A resource of any other type must be submitted with a pipeline. */
  readonly catalog: Catalog;
  /** How long logs are kept, milliseconds (default: not known). */
  readonly keepLogsMs?: number | undefined;
  /** Interval between heartbeats on an idle stream, milliseconds. */
  readonly heartbeatMs: number;
  /** Throws Problem if no run of this submitter is accepted just now. */
  readonly admit: (submitter: string | undefined) => void;
}

/**
 * Throws Problem if the request's run is not accepted just now. A request that is sent again with its
 * Idempotency-Key is let through: its run is there already.
 */
export async function admitNew(
  context: Context,
  { store, admit }: Pick<RunParts, "admit"> & { readonly store: Pick<Store, "runs"> },
): Promise<void> {
  const submitter = context.get("submitter");
  const key = context.req.header("idempotency-key");
  const isThere = key !== undefined && await store.runs.get(runOfKey(key, submitter)) !== undefined;
  if (!isThere) admit(submitter);
}

/** Returns the run with this id. Throws Problem 404. */
export async function knownRun({ runs }: Pick<Store, "runs">, id: string): Promise<Run> {
  const found = isRunId(id) ? await runs.get(id) : undefined;
  if (!found) throw new Problem(404, `Unknown run "${id.slice(0, 100)}"`);
  return found.value;
}
