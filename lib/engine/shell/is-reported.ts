import type { Transport } from "../../backend/transport.ts";
import { ids } from "../../wire/ids.ts";
import type { Run, StepState } from "../../wire/run.ts";

/**
 * Returns true if the step's current attempt has sent a result that no engine has taken yet. Such an attempt
 * is silent because it is done: it is not lost and must not be repeated. Results may wait longer than the ack
 * wait if many come at once or their consumer has no leader. Throws what the transport throws.
 */
export async function isReported(transport: Transport, run: Run, step: StepState): Promise<boolean> {
  if (step.status !== "running") return false;
  return await transport.holds("pipeline-engine", ids.result(run.id, step.id, step.attempt));
}
