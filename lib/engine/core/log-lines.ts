import type { LogBatch } from "../../backend/store.ts";
import type { Log } from "../../wire/messages.ts";
import type { StepState } from "../../wire/run.ts";
import type { LogLine } from "./events.ts";
import { withoutTrailing } from "../../base/text.ts";

/**
 * Returns a batch's lines as a follower sees them. `writer` gives the step of lines from other drivers, which
 * do not name it.
 */
export function logLines(run: string, batch: LogBatch, writer: StepState | undefined): LogLine[] {
  const { firstSeq, lines } = batch;
  return lines.map((line, i) =>
    line.step !== undefined && line.stream !== undefined
      ? {
        type: "log",
        run,
        step: line.step,
        seq: firstSeq + i,
        stream: line.stream,
        time: line.timestamp,
        message: line.message,
      }
      : foreignLine(run, firstSeq + i, line, writer?.id ?? batch.step)
  );
}

function foreignLine(run: string, seq: number, line: Log, step: string): LogLine {
  return {
    type: "log",
    run,
    step: line.step ?? step,
    seq,
    stream: line.stream ?? "stdout",
    time: timestampOf(line.timestamp),
    message: withoutTrailing(line.message, "\r\n").replace(/[\r\n]+/g, " "),
  };
}

/** Conveyor's Go drivers write seconds since the epoch, others RFC 3339 with more digits. */
function timestampOf(text: string): string {
  const date = new Date(/^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : text);
  return Number.isNaN(date.getTime()) ? text : date.toISOString();
}
