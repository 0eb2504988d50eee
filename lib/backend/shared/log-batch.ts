import { messageOf } from "../../base/errors.ts";
import { HEADERS } from "../../wire/headers.ts";
import { type Log, readLog } from "../../wire/messages.ts";
import { parseJson } from "../../base/json.ts";

/** Properties of a log batch. */
export interface BatchFacts {
  readonly lines: number;
  readonly step: string;
  /** 0 if the batch does not name it. */
  readonly attempt: number;
}

/** A stored batch. */
export interface StoredBatch extends BatchFacts {
  readonly run: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly data: Uint8Array;
}

/** Reads the headers; a batch without them is one line of a foreign driver, which names its step itself. */
export function factsOf(headers: Readonly<Record<string, string>>, data: Uint8Array): BatchFacts {
  const lines = positive(headers[HEADERS.lines]);
  const attempt = positive(headers[HEADERS.attempt]) ?? 0;
  const step = headers[HEADERS.step] ?? stepOf(data);
  return { lines: lines ?? 1, step, attempt };
}

/** Returns the batch's lines; if it cannot be read, one line that says why. */
export function linesOf(batch: StoredBatch): Log[] {
  try {
    const text = new TextDecoder().decode(batch.data);
    const parts = batch.lines === 1 ? [text] : text.split("\n").filter((part) => part !== "");
    if (parts.length !== batch.lines) {
      throw new Error(`it has ${parts.length} lines, expected ${batch.lines}`);
    }
    return parts.map((part) => readLog(parseJson(part)));
  } catch (error) {
    return [{
      runid: batch.run,
      driver: batch.step,
      timestamp: new Date(batch.at).toISOString(),
      message: `Cannot read a log batch of ${batch.data.length} bytes: ${messageOf(error)}`,
      step: batch.step,
      stream: "system",
    }];
  }
}

function positive(text: string | undefined): number | undefined {
  return text !== undefined && /^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined;
}

function stepOf(data: Uint8Array): string {
  try {
    const log = readLog(parseJson(new TextDecoder().decode(data)));
    return log.step ?? log.driver;
  } catch {
    return "";
  }
}
