import type { Transport } from "../../backend/transport.ts";
import { HEADERS } from "../../wire/headers.ts";
import type { Log } from "../../wire/messages.ts";
import type { Run } from "../../wire/run.ts";
import { subjects } from "../../wire/subjects.ts";
import type { Signatures } from "./signatures.ts";
import { openStep } from "../core/steps.ts";

/**
 * Adds a line of the engine to a run's log, attributed to the open step. `what` identifies the line within
 * the run: the same line twice within two minutes is stored once. Throws what the transport throws.
 */
export async function addSystemLine(
  { transport, signatures }: { transport: Transport; signatures: Signatures },
  run: Run,
  { what, message, now }: { what: string; message: string; now: number },
): Promise<void> {
  const step = openStep(run) ?? run.steps[0];
  const line: Log = {
    runid: run.id,
    driver: step?.driver ?? "",
    pipeline: run.pipeline.name,
    timestamp: new Date(now).toISOString(),
    message,
    step: step?.id ?? "",
    stream: "system",
  };
  const headers = {
    [HEADERS.step]: step?.id ?? "",
    [HEADERS.attempt]: String(step?.attempt ?? 0),
    [HEADERS.lines]: "1",
  };
  const subject = subjects.logs(run.id);
  const id = `${run.id}/${what}`;
  const data = `${JSON.stringify(line)}\n`;
  const signed = signatures.sign(run.id, { subject, id, headers }, data);
  await transport.publish(subject, data, { id, headers: signed });
}
