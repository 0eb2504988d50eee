import { messageOf } from "../../base/errors.ts";
import { HEADERS } from "../../wire/headers.ts";
import { type Log, readLog } from "../../wire/messages.ts";
import { parseJson } from "../../base/json.ts";

/** What a batch says of itself. */
export interface BatchFacts {
  readonly lines: number;
  readonly step: string;
  /** 0 where the batch does not say. */
  readonly attempt: number;
}

/** A batch as it was stored. */
export interface StoredBatch extends BatchFacts {
  readonly run: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly data: Uint8Array;
}

/** From its headers; a batch without them is one line of a driver that is not ours, which says in itself whose it is. */
export function factsOf(headers: Readonly<Record<string, string>>, data: Uint8Array): BatchFacts {
  const lines = positive(headers[HEADERS.lines]);
  const attempt = positive(headers[HEADERS.attempt]) ?? 0;
  const step = headers[HEADERS.step] ?? stepOf(data);
  return { lines: lines ?? 1, step, attempt };
}

/** Its lines: as many as it says, or one that says why it cannot be read. */
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
