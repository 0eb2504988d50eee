import { randomUUID } from "node:crypto";
import { InputError } from "../../base/errors.ts";
import type { Transport } from "../../backend/transport.ts";
import { HEADERS } from "../../wire/headers.ts";
import type { Log, LogStream } from "../../wire/messages.ts";
import type { Run, StepState } from "../../wire/run.ts";
import { subjects } from "../../wire/subjects.ts";
import type { Signatures } from "./signatures.ts";
import { openStep } from "../core/steps.ts";

interface Lines {
  readonly transport: Transport;
  readonly signatures: Signatures;
}

/**
 * Adds a line of the engine to a run's log, attributed to the open step. `what` identifies the line within
 * the run: the same line twice within two minutes is stored once. Throws what the transport throws.
 */
export async function addSystemLine(
  parts: Lines,
  run: Run,
  { what, message, now }: { what: string; message: string; now: number },
): Promise<void> {
  const step = openStep(run) ?? run.steps[0];
  await addLine(parts, run, step, {
    id: `${run.id}/${what}`,
    line: lineOf(run, { driver: step?.driver ?? "", message, now, stream: "system" }),
  });
}

/** Largest batch of lines, characters: as large as those of drivers. */
const BATCH_CHARS = 64 * 1024;

/**
 * Adds lines to the run's log in the name of a driver, in batches. Throws InputError if no step is that
 * driver's.
 */
export async function addDriverLines(
  { transport, signatures }: Lines,
  run: Run,
  { driver, messages, now }: { driver: string; messages: readonly string[]; now: number },
): Promise<void> {
  const step = [openStep(run), ...run.steps].find((step) => step?.driver === driver);
  if (!step) throw new InputError(`Run "${run.id}" has no step of the driver "${driver.slice(0, 100)}"`);
  const lines = messages.map((message) => ({
    ...lineOf(run, { driver, message, now, stream: "stdout" }),
    step: step.id,
  }));
  const subject = subjects.logs(run.id);
  const batches = batchesOf(lines).map(({ data, count }) => {
    const id = `${run.id}/posted/${randomUUID()}`;
    const headers = headersOf(step, count);
    return { data, id, headers: signatures.sign(run.id, { subject, id, headers }, data) };
  });
  await transport.publishAll(subject, batches);
}

function batchesOf(lines: readonly Log[]): { data: string; count: number }[] {
  const batches = [{ data: "", count: 0 }];
  for (const line of lines) {
    const text = `${JSON.stringify(line)}\n`;
    const last = batches.at(-1);
    if (last && (last.count === 0 || last.data.length + text.length <= BATCH_CHARS)) {
      last.data += text;
      last.count++;
    } else batches.push({ data: text, count: 1 });
  }
  return batches;
}

const headersOf = (step: StepState | undefined, lines: number): Record<string, string> => ({
  [HEADERS.step]: step?.id ?? "",
  [HEADERS.attempt]: String(step?.attempt ?? 0),
  [HEADERS.lines]: String(lines),
});

function lineOf(
  run: Run,
  { driver, message, now, stream }: { driver: string; message: string; now: number; stream: LogStream },
): Log {
  const timestamp = new Date(now).toISOString();
  return { runid: run.id, driver, pipeline: run.pipeline.name, timestamp, message, stream };
}

async function addLine(
  { transport, signatures }: Lines,
  run: Run,
  step: StepState | undefined,
  { id, line }: { id: string; line: Log },
): Promise<void> {
  const headers = headersOf(step, 1);
  const subject = subjects.logs(run.id);
  const data = `${JSON.stringify({ ...line, step: step?.id ?? "" })}\n`;
  const signed = signatures.sign(run.id, { subject, id, headers }, data);
  await transport.publish(subject, data, { id, headers: signed });
}
