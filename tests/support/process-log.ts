import { configure, type LogRecord, reset } from "@logtape/logtape";
import { within } from "./within.ts";

/**
 * Collects the process log while open, line by line: `warning: Lost NATS at 127.0.0.1:4222; trying again`.
 */
export interface CapturedLog extends AsyncDisposable {
  readonly lines: readonly string[];
  readonly records: readonly LogRecord[];
  /** Resolves to the first line, past or future, that matches; fails the test if none comes. */
  line(pattern: RegExp): Promise<string>;
}

export async function captureLog(): Promise<CapturedLog> {
  const lines: string[] = [];
  const records: LogRecord[] = [];
  const waiting = new Set<() => void>();
  const sink = (record: LogRecord) => {
    records.push(record);
    lines.push(`${record.level}: ${record.message.join("")}`);
    for (const look of waiting) look();
  };
  await configure({
    reset: true,
    sinks: { capture: sink },
    loggers: [
      { category: ["conveyor"], sinks: ["capture"], lowestLevel: "info" },
      { category: ["logtape", "meta"], sinks: [], lowestLevel: "fatal" },
    ],
  });
  return {
    lines,
    records,
    async line(pattern) {
      const { promise, resolve } = Promise.withResolvers<string>();
      const look = () => {
        const found = lines.find((line) => pattern.test(line));
        if (found !== undefined) resolve(found);
      };
      waiting.add(look);
      look();
      try {
        return await within(promise, () => `a line that matches ${pattern}, of:\n${lines.join("\n")}`);
      } finally {
        waiting.delete(look);
      }
    },
    [Symbol.asyncDispose]: () => reset(),
  };
}
