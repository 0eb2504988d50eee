import { configureSync, type LogRecord } from "@logtape/logtape";
import { messageOf } from "../../../base/errors.ts";
import { OUTCOME_LOG } from "../../../base/log.ts";
import type { LogLevel } from "./command.ts";
import { neutralText } from "./neutral.ts";

export interface ProcessLogOptions {
  readonly level: LogLevel;
  readonly format: "text" | "json";
  /** Writes one line, which ends in a newline. */
  readonly write: (line: string) => void;
  /**
   * Rooms whose lines about the begin and end of runs and steps are left out, because that is shown elsewhere
   * (default: none).
   */
  readonly withoutOutcomesOf?: readonly ("driver" | "engine")[];
}

/** Starts the process log. Call once per process. */
export function startProcessLog({ level, format, write, withoutOutcomesOf = [] }: ProcessLogOptions): void {
  const toLine = format === "json" ? jsonLine : textLine;
  configureSync({
    reset: true,
    sinks: { own: (record: LogRecord) => write(toLine(record)) },
    loggers: [
      { category: "conveyor", lowestLevel: level === "warn" ? "warning" : level, sinks: ["own"] },
      ...withoutOutcomesOf.map((room) => ({
        category: ["conveyor", room, OUTCOME_LOG],
        sinks: [],
        parentSinks: "override" as const,
      })),
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["own"] },
    ],
  });
}

function jsonLine(record: LogRecord): string {
  const line = {
    time: timeOf(record),
    level: levelOf(record),
    room: roomOf(record),
    message: textOf(record),
    ...mapValues(record.properties, plain),
  };
  return `${JSON.stringify(line)}\n`;
}

function textLine(record: LogRecord): string {
  return `${timeOf(record)} ${levelOf(record).padEnd(5)} ${roomOf(record)}: ${neutralText(textOf(record))}\n`;
}

const timeOf = ({ timestamp }: LogRecord): string => new Date(timestamp).toISOString();
const levelOf = ({ level }: LogRecord): string => level === "warning" ? "warn" : level;
const roomOf = ({ category }: LogRecord): string => category[1] ?? "";

const textOf = ({ message }: LogRecord): string =>
  message.map((part) => typeof part === "string" ? part : shown(plain(part))).join("");

const shown = (value: unknown): string =>
  typeof value === "string" ? value : JSON.stringify(value) ?? String(value);

const plain = (value: unknown): unknown => value instanceof Error ? messageOf(value) : value;

function mapValues(
  record: Record<string, unknown>,
  change: (value: unknown) => unknown,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}
