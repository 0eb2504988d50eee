import { parseOwnJson } from "../../base/json.ts";
import type { Log } from "../../wire/messages.ts";
import type { Batch, BatchesOptions } from "./batches.ts";
import { LineTimes } from "./line-times.ts";

/** Lines of one message each: Conveyor's own Log object and nothing else. */
export interface SingleLinesOptions {
  /** Stores one line, the `n`-th of the step's attempt. What it throws is final. */
  readonly store: (n: number, line: string) => Promise<void>;
  /** Shows a stored line to whoever looks on; in the lines' order. Never throws. */
  readonly show: (line: string) => void;
}

/** Lines on their way at once. */
const AT_ONCE = 128;

const decoder = new TextDecoder();

/**
 * The way of a log to a Conveyor server, which knows no batches and reads a log back by the text of its time stamps, and
 * within one time stamp in any order (protocol 5). So each line is a message with a time of its own; many are on their way at
 * once, and a batch is stored when all of its lines are.
 */
export function storeSingly({ store, show }: SingleLinesOptions): BatchesOptions["store"] {
  const times = new LineTimes();
  return async (batches) => {
    for (const batch of batches) await storeLines(batch);
  };

  async function storeLines({ first, data }: Batch): Promise<void> {
    const lines = decoder.decode(data).split("\n").map((text) => conveyorLog(parseOwnJson<Log>(text), times));
    for (let at = 0; at < lines.length; at += AT_ONCE) {
      const some = lines.slice(at, at + AT_ONCE);
      await Promise.all(some.map((line, i) => store(first + at + i, line)));
      for (const line of some) show(line);
    }
  }
}

/** The line as a Conveyor server knows it, without the fields of ours. */
function conveyorLog({ runid, driver, pipeline, timestamp, message }: Log, times: LineTimes): string {
  return JSON.stringify({ runid, driver, pipeline, timestamp: times.next(timestamp), message });
}
