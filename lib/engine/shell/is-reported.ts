import type { Transport } from "../../backend/transport.ts";
import { ids } from "../../wire/ids.ts";
import type { Run, StepState } from "../../wire/run.ts";

/**
 * True where the step's current attempt has sent a result that no engine has taken yet: such an attempt is silent because it
 * is done, and is neither lost nor to be repeated. Results may wait for longer than the ack wait, where many come at once or
 * their consumer is without a leader. Throws what the transport throws.
 */
export async function isReported(transport: Transport, run: Run, step: StepState): Promise<boolean> {
  if (step.status !== "running") return false;
  return await transport.holds("pipeline-engine", ids.result(run.id, step.id, step.attempt));
}
