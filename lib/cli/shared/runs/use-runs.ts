import type { LogLevel } from "../../../driver/program/command-line/command.ts";
import { environment } from "../../../driver/program/command-line/environment.ts";
import { startProcessLog } from "../../../driver/program/command-line/process-log.ts";
import { openRuns, type Runs, type RunsOptions } from "./open-runs.ts";

export interface InspectOptions extends RunsOptions {
  readonly json?: boolean | undefined;
  readonly logLevel: LogLevel;
  readonly logFormat: "text" | "json";
}

/** Opens the runs that the flags select. The process's own log goes to stderr. */
export async function useRuns(options: InspectOptions): Promise<Runs> {
  startProcessLog({
    level: options.logLevel,
    format: options.logFormat,
    write: (line) => process.stderr.write(line),
  });
  return await openRuns(options, environment);
}
