import type { SQLOutputValue } from "node:sqlite";
import { InputError } from "../../base/errors.ts";
import { linesOf } from "../shared/log-batch.ts";
import type { LogBatch } from "../store.ts";
import { unpack } from "./pack.ts";

type Row = Record<string, SQLOutputValue>;

/** Returns a row's batch as it was published. Throws `UnreadableError`. */
export function dataOf(row: Row): Uint8Array {
  return unpack(row["packed"] === 1, row["data"] as Uint8Array);
}

/** Returns a line that replaces an unreadable batch, with the batch's number and time. */
export function lostBatch(run: string, { seq, first, at }: Row): LogBatch {
  const message = "Cannot read a log batch: the database is damaged here";
  return {
    cursor: String(seq),
    firstSeq: Number(first),
    step: "",
    attempt: 0,
    lines: [{
      runid: run,
      driver: "",
      timestamp: new Date(Number(at)).toISOString(),
      message,
      step: "",
      stream: "system",
    }],
  };
}

/** Parses a row's batch. Throws `UnreadableError`. */
export function batchOf(row: Row): LogBatch {
  const [step, attempt] = [String(row["step"]), Number(row["attempt"])];
  return {
    cursor: String(row["seq"]),
    firstSeq: Number(row["first"]),
    step,
    attempt,
    lines: linesOf({
      run: String(row["run"]),
      step,
      attempt,
      lines: Number(row["lines"]),
      at: Number(row["at"]),
      data: dataOf(row),
    }),
  };
}

/** Parses a cursor: the number of the last batch read. Throws `InputError`. */
export function cursorOf(text: string | undefined): number {
  if (text === undefined) return 0;
  if (!/^\d{1,15}$/.test(text)) {
    throw new InputError(`Invalid cursor ${JSON.stringify(text)}: expected the cursor of a log batch`);
  }
  return Number(text);
}
