import { parseOwnJson } from "../../base/json.ts";
import type { Log } from "../../wire/messages.ts";
import type { Batch, BatchesOptions } from "./batches.ts";
import { LineTimes } from "./line-times.ts";

/** Stores each line as its own message, with Conveyor's own Log fields only. */
export interface SingleLinesOptions {
  /** Stores one line, the `n`-th of the step's attempt. An error is final. */
  readonly store: (n: number, line: string) => Promise<void>;
  /** Shows a stored line to live viewers; called in the lines' order. Must not throw. */
  readonly show: (line: string) => void;
}

/** How many lines are stored at once. */
const AT_ONCE = 128;

const decoder = new TextDecoder();

/**
 * Stores a log on a Conveyor server, which knows no batches and sorts lines by the text of their timestamps,
 * with no order among equal ones (protocol 5). So each line is a message with a unique time. Many lines are
 * stored at once; a batch is stored when all of its lines are.
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

/** Returns the line with Conveyor's own fields only. */
function conveyorLog({ runid, driver, pipeline, timestamp, message }: Log, times: LineTimes): string {
  return JSON.stringify({ runid, driver, pipeline, timestamp: times.next(timestamp), message });
}
